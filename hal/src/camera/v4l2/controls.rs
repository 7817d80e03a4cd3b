//! The controls of a device, by ioctl: exposure, gain, light, and whatever else its driver offers.
//!
//! Only controls that hold one number of 32 bits are listed: those are the ones a camera is set up with, and they need
//! no structure that carries a pointer.

use std::io;

use v4l::v4l_sys::{
    V4L2_CTRL_FLAG_DISABLED, V4L2_CTRL_FLAG_HAS_PAYLOAD, V4L2_CTRL_FLAG_INACTIVE, V4L2_CTRL_FLAG_NEXT_CTRL,
    V4L2_CTRL_FLAG_READ_ONLY, V4L2_CTRL_FLAG_VOLATILE, V4L2_CTRL_FLAG_WRITE_ONLY, v4l2_control,
    v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN as BOOLEAN, v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON as BUTTON,
    v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER as INTEGER,
    v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU as INTEGER_MENU, v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU as MENU,
    v4l2_query_ext_ctrl, v4l2_querymenu,
};
use v4l::v4l2::vidioc;

use super::{Call, Device, Plain, text, zeroed};
use crate::camera::controls::{Adjustable, Choice, Control, Kind, name_of};

/// Controls read from one device: the richest drivers have about a hundred.
const CONTROLS_MAX: usize = 256;

/// Entries read from one menu: the longest of the kernel have about fifty.
const MENU_MAX: u32 = 256;

const QUERY_EXT_CTRL: Call<v4l2_query_ext_ctrl> = Call::new(vidioc::VIDIOC_QUERY_EXT_CTRL);
const QUERYMENU: Call<v4l2_querymenu> = Call::new(vidioc::VIDIOC_QUERYMENU);
const G_CTRL: Call<v4l2_control> = Call::new(vidioc::VIDIOC_G_CTRL);
const S_CTRL: Call<v4l2_control> = Call::new(vidioc::VIDIOC_S_CTRL);

impl Adjustable for Device {
    fn controls(&self) -> io::Result<Vec<Control>> {
        let mut controls = Vec::new();
        let mut id = 0;
        while controls.len() < CONTROLS_MAX {
            let mut found = v4l2_query_ext_ctrl { id: id | V4L2_CTRL_FLAG_NEXT_CTRL, ..zeroed() };
            match QUERY_EXT_CTRL.call(&self.file, &mut found) {
                Ok(()) => {}
                // Behind the last control; a device without any does not know the question.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => break,
                Err(e) => return Err(e),
            }
            // A driver that does not go on would be asked the same for ever.
            if found.id <= id {
                break;
            }
            id = found.id;
            controls.extend(self.described(&found)?);
        }
        Ok(controls)
    }

    fn adjust(&self, id: u32, value: i32) -> io::Result<()> {
        S_CTRL.call(&self.file, &mut v4l2_control { id, value })
    }
}

impl Device {
    /// A control in our terms; `None` for one that does not hold one number.
    fn described(&self, found: &v4l2_query_ext_ctrl) -> io::Result<Option<Control>> {
        let has = |flag| found.flags & flag != 0;
        let Some(kind) = kind(found.type_) else { return Ok(None) };
        if has(V4L2_CTRL_FLAG_DISABLED) || has(V4L2_CTRL_FLAG_HAS_PAYLOAD) || found.elems > 1 {
            return Ok(None);
        }
        let label = text(&found.name.map(|c| c.to_ne_bytes()[0]));
        let readable = kind != Kind::Button && !has(V4L2_CTRL_FLAG_WRITE_ONLY);
        Ok(Some(Control {
            id: found.id,
            name: name_of(&label),
            label,
            kind,
            minimum: found.minimum,
            maximum: found.maximum,
            step: found.step,
            default: found.default_value,
            value: if readable { self.value(found.id)? } else { None },
            choices: if kind == Kind::Menu { self.choices(found) } else { Vec::new() },
            read_only: has(V4L2_CTRL_FLAG_READ_ONLY),
            inactive: has(V4L2_CTRL_FLAG_INACTIVE),
            volatile: has(V4L2_CTRL_FLAG_VOLATILE),
        }))
    }

    /// What a control reads; `None` where the device will not say. A device that is gone or hangs is an error, so that
    /// nobody waits for each of its controls in turn.
    fn value(&self, id: u32) -> io::Result<Option<i64>> {
        let mut asked = v4l2_control { id, value: 0 };
        match G_CTRL.call(&self.file, &mut asked) {
            Ok(()) => Ok(Some(i64::from(asked.value))),
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ETIMEDOUT)) => {
                Err(e)
            }
            Err(_) => Ok(None),
        }
    }

    /// The entries of a menu; drivers leave out those that they do not have.
    fn choices(&self, menu: &v4l2_query_ext_ctrl) -> Vec<Choice> {
        let first = u32::try_from(menu.minimum).unwrap_or(0);
        let last = u32::try_from(menu.maximum).unwrap_or(0).min(first.saturating_add(MENU_MAX));
        let mut choices = Vec::new();
        for index in first..=last {
            let mut found = v4l2_querymenu { id: menu.id, index, ..zeroed() };
            if QUERYMENU.call(&self.file, &mut found).is_err() {
                continue;
            }
            let entry = found.__bindgen_anon_1;
            let label = if menu.type_ == INTEGER_MENU {
                // SAFETY: menus of numbers carry this member; any bits are a valid value of it.
                unsafe { entry.value }.to_string()
            } else {
                // SAFETY: all other menus carry this member; any bits are a valid value of it.
                text(&unsafe { entry.name })
            };
            choices.push(Choice { index: i64::from(index), label });
        }
        choices
    }
}

/// What a type of the kernel is to an installer; `None` for those that are no single number of 32 bits.
fn kind(code: u32) -> Option<Kind> {
    match code {
        INTEGER => Some(Kind::Number),
        BOOLEAN => Some(Kind::Switch),
        MENU | INTEGER_MENU => Some(Kind::Menu),
        BUTTON => Some(Kind::Button),
        _ => None,
    }
}

// SAFETY: structures of integers, arrays and unions of them, see videodev2.h.
unsafe impl Plain for v4l2_query_ext_ctrl {}
// SAFETY: as above.
unsafe impl Plain for v4l2_querymenu {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn c1_what_is_no_camera_has_no_controls_and_takes_none() {
        let null = Device::open(Path::new("/dev/null")).unwrap();
        assert!(null.controls().unwrap().is_empty());
        assert!(null.adjust(1, 1).is_err());
    }

    #[test]
    fn only_single_numbers_are_controls() {
        assert_eq!(kind(INTEGER_MENU), Some(Kind::Menu));
        assert_eq!(kind(v4l::v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_STRING), None);
        assert_eq!(kind(v4l::v4l_sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64), None);
        assert_eq!(kind(u32::MAX), None);
    }
}
