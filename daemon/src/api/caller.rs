//! Who may ask. At the socket the kernel has answered that already: whoever may not write to the file does not get in,
//! and it says who came. Over the loopback interface anybody on the machine can knock, so the token has to be shown.

use doorward_core::session::Caller;
use doorward_protocol::hex::unhex;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// At the socket, from this user.
    User(u32),
    /// Over the loopback interface.
    Loopback,
}

/// Who asks, if he may. `shown` is the header `Authorization`.
#[must_use]
pub fn admit(peer: Peer, shown: Option<&str>, token: Option<&Zeroizing<[u8; 32]>>) -> Option<Caller> {
    match peer {
        Peer::User(user) => Some(Caller::User(user)),
        Peer::Loopback => {
            let digits = shown?.strip_prefix("Bearer ")?;
            let shown: Zeroizing<[u8; 32]> = Zeroizing::new(unhex(digits)?);
            // How much of it is right is not told by the time it takes.
            bool::from(shown.as_slice().ct_eq(token?.as_slice())).then_some(Caller::Token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h8_over_the_loopback_interface_only_the_whole_token_opens() {
        let token = Zeroizing::new([0xab; 32]);
        let digits = "ab".repeat(32);
        let admit = |shown: &str| admit(Peer::Loopback, Some(shown), Some(&token));
        assert_eq!(admit(&format!("Bearer {digits}")), Some(Caller::Token));
        let wrong = [
            String::new(),
            digits.clone(),
            format!("bearer {digits}"),
            format!("Basic {digits}"),
            format!("Bearer {}", &digits[..62]),
            format!("Bearer {digits}00"),
            format!("Bearer {}ac", &digits[..62]),
            format!("Bearer {}", "00".repeat(32)),
            "Bearer ".to_owned(),
            format!("Bearer {}", "é".repeat(32)),
        ];
        for shown in wrong {
            assert_eq!(admit(&shown), None, "{shown}");
        }
        assert_eq!(super::admit(Peer::Loopback, None, Some(&token)), None);
        let any = format!("Bearer {digits}");
        assert_eq!(
            super::admit(Peer::Loopback, Some(&any), None),
            None,
            "h7: without a token nobody gets in"
        );
        assert_eq!(super::admit(Peer::User(1000), None, None), Some(Caller::User(1000)));
    }
}
