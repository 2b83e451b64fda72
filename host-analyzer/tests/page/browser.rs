//! A headless Chromium, driven through its WebDriver; one for each test.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A browser with one page. It ends with the test.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// Opens a file in a window of this width.
    pub fn open(page: &Path, width: u32, dark: bool) -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is needed: `cargo xtask test page` installs it");
        let port = port(&mut driver);
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(300)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut browser =
            Browser { driver, session: format!("http://127.0.0.1:{port}/session"), agent };
        let opened = browser.post(
            "",
            json!({ "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": { "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--disable-background-networking", "--hide-scrollbars",
                ] },
                "goog:loggingPrefs": { "browser": "ALL" },
                // A busy machine is no reason to fail.
                "timeouts": { "script": 300_000 },
                "unhandledPromptBehavior": "ignore",
            } } }),
        );
        browser.session += &format!("/{}", opened["sessionId"].as_str().unwrap());
        browser.look(width, dark);
        browser.post("/url", json!({ "url": format!("file://{}", page.display()) }));
        browser.settle();
        browser
    }

    /// Sets the width of the window and the theme that the user prefers.
    pub fn look(&self, width: u32, dark: bool) {
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        );
        let theme = if dark { "dark" } else { "light" };
        self.cdp(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }),
        );
        self.settle();
    }

    /// Shows the page as it is printed.
    pub fn print_preview(&self) {
        self.cdp("Emulation.setEmulatedMedia", json!({ "media": "print" }));
        self.settle();
    }

    /// What a piece of JavaScript returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// What a piece of JavaScript hands to its last argument.
    pub fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", json!({ "script": script, "args": [] }))
    }

    /// Everything on the console since the last call.
    pub fn console(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" }));
        let text = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.as_array().unwrap().iter().map(text).collect()
    }

    /// Presses keys, one after the other, each by its WebDriver code or its character.
    pub fn press(&self, keys: &[&str]) {
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.act(json!([{ "type": "key", "id": "keys", "actions": strokes }]));
    }

    /// Clicks into the middle of an element.
    pub fn click(&self, selector: &str) {
        let (x, y) = self.middle(selector);
        self.act(json!([{ "type": "pointer", "id": "mouse", "actions": [
            { "type": "pointerMove", "x": x, "y": y },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ] }]));
    }

    /// Drags from the middle of an element.
    pub fn drag(&self, selector: &str, across: i64) {
        let (x, y) = self.middle(selector);
        self.act(json!([{ "type": "pointer", "id": "mouse", "actions": [
            { "type": "pointerMove", "x": x, "y": y },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerMove", "duration": 50, "x": x + across / 2, "y": y },
            { "type": "pointerMove", "duration": 50, "x": x + across, "y": y },
            { "type": "pointerUp", "button": 0 },
        ] }]));
    }

    /// Turns the wheel over the middle of an element while Ctrl is down.
    pub fn wheel_with_ctrl(&self, selector: &str, by: i64) {
        let (x, y) = self.middle(selector);
        const CTRL: &str = "\u{e009}";
        self.act(json!([
            { "type": "key", "id": "keys", "actions": [
                { "type": "keyDown", "value": CTRL }, { "type": "pause" }, { "type": "keyUp", "value": CTRL },
            ] },
            { "type": "wheel", "id": "wheel", "actions": [
                { "type": "pause" }, { "type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": by },
            ] },
        ]));
    }

    /// The page from one element to shortly before another as a PNG, in base64.
    pub fn picture(&self, from: &str, to: &str) -> String {
        let clip = self.run(&format!(
            "const top = (selector) => Math.max(0, document.querySelector(selector).getBoundingClientRect().top + scrollY - 24);
             const width = document.documentElement.scrollWidth;
             return {{ x: 0, y: top({from:?}), width, height: top({to:?}) - top({from:?}), scale: 1 }};",
        ));
        let taken = self
            .cdp("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        taken["data"].as_str().unwrap().to_owned()
    }

    fn middle(&self, selector: &str) -> (i64, i64) {
        let script = format!(
            "const element = document.querySelector({selector:?});
             element.scrollIntoView({{ block: 'center' }});
             const {{ left, top, width, height }} = element.getBoundingClientRect();
             return [Math.round(left + width / 2), Math.round(top + height / 2)];"
        );
        let middle = self.run(&script);
        (middle[0].as_i64().unwrap(), middle[1].as_i64().unwrap())
    }

    fn act(&self, actions: Value) {
        self.post("/actions", json!({ "actions": actions }));
        self.settle();
    }

    /// Lets the page draw what it has to.
    fn settle(&self) {
        self.run_async(
            "const done = arguments[0];
             requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)));",
        );
    }

    fn cdp(&self, command: &str, params: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": params }))
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let sent = self.agent.post(format!("{}{path}", self.session)).send_json(&body);
        let mut answer: Value = sent.unwrap().body_mut().read_json().unwrap();
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path}: {value:#}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, then its driver; a test that has failed has nothing better to do.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that the driver has chosen.
fn port(driver: &mut Child) -> u16 {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).find(|line| line.contains("started successfully"));
    let line = told.expect("chromedriver ended before it had a port");
    let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
    port.parse().unwrap_or_else(|_| panic!("no port in {line:?}"))
}
