//! A headless Chromium over WebDriver (W3C), as far as these tests need it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// How long a page may take to come to a state: a slow machine renders, examines and decides well within it.
const WAIT_TRIES: u32 = 300;
const WAIT_STEP: Duration = Duration::from_millis(200);

/// A browser on one page; both end when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    /// Opens a page; says so where there is no chromedriver.
    pub(crate) fn open(address: &str) -> Option<Self> {
        let Ok(mut driver) = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn()
        else {
            eprintln!("skipped: no chromedriver; it is in the Debian package chromium-driver");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let port = line.split("started successfully on port ").nth(1)?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let base = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--window-size=1400,1000",
        ];
        let wish = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": switches}}}});
        let answer = call(&format!("{base}/session"), &wish);
        let id = answer["sessionId"].as_str().expect("a session").to_owned();
        let browser = Self { driver, session: format!("{base}/session/{id}") };
        call(&format!("{}/url", browser.session), &json!({ "url": address }));
        Some(browser)
    }

    /// Clicks as the page's own code would: an element under the sticky banner can be clicked too.
    pub(crate) fn click(&self, selector: &str) {
        self.run(&format!("document.querySelector('{selector}').click()"));
    }

    /// The text a script returns.
    pub(crate) fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a script returns true.
    #[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
    pub(crate) fn wait_for(&self, what: &str, script: &str) {
        for _ in 0..WAIT_TRIES {
            if self.run(script) == Value::Bool(true) {
                return;
            }
            std::thread::sleep(WAIT_STEP);
        }
        let page = self.text("return document.body.innerText");
        panic!("waited in vain until {what}; the page says:\n{page}");
    }

    fn run(&self, script: &str) -> Value {
        call(&format!("{}/execute/sync", self.session), &json!({"script": script, "args": []}))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn call(address: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.post(address).send(body.to_string()).expect("chromedriver answers");
    let text = answer.into_body().read_to_string().expect("chromedriver answers in text");
    let answer: Value = serde_json::from_str(&text).expect("chromedriver answers in JSON");
    let value = answer["value"].clone();
    assert!(value["error"].is_null(), "chromedriver at {address}: {value}");
    value
}
