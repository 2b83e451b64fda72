//! The report's page in a browser: it draws what the run holds, answers mouse and keyboard, is
//! accessible, and lets nothing of a capture run.

mod browser;
#[path = "../analyzer/simulated.rs"]
#[allow(dead_code, reason = "the analyzer's tests use more of it")]
mod simulated;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bringup::frame::ApEnd;
use bringup::phase::{Phase, SubPhase};
use bringup::stamp::Stamp;
use browser::Browser;
use host_analyzer::ground::manifest::HostStamps;
use host_analyzer::judge::compare::{Settings, compare};
use host_analyzer::present;
use host_analyzer::present::report;
use host_analyzer::run::{Run, queue_ends};
use serde_json::{Value, json};
use simulated::{STRATEGIES, boot, capture, folder, manifest, run_folder, write_manifest};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

const TAB: &str = "\u{e004}";
const HOME: &str = "\u{e011}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";

/// A report of the three strategies at these CPU counts; the folder goes away with the first part.
fn reported(cpus: &[u16]) -> (tempfile::TempDir, PathBuf) {
    reported_of(STRATEGIES, cpus)
}

fn reported_of(words: &str, cpus: &[u16]) -> (tempfile::TempDir, PathBuf) {
    let (keep, folder) = folder();
    run_folder(&folder, words, cpus);
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    (keep, folder.join("report.html"))
}

/// What is in view of the timeline, in percent: from and to in time, then in APs.
fn view(browser: &Browser) -> Vec<f64> {
    let view = browser.run("return document.getElementById('timeline-chart').dataset.view;");
    view.as_str().unwrap().split(' ').map(|percent| percent.parse().unwrap()).collect()
}

#[test]
fn every_ap_has_a_rectangle_for_each_phase_that_is_not_empty() {
    let (keep, page) = reported(&[4, 28]);
    let run = Run::open(keep.path()).unwrap();
    let browser = Browser::open(&page, 1280, false);
    for (index, trial) in run.median_trials().unwrap().into_iter().enumerate() {
        let timelines = trial.unwrap().timelines;
        let turns = queue_ends(&run.cells[index], &timelines);
        let phases = timelines.iter().zip(turns).flat_map(|(ap, turn)| {
            let queue = SubPhase::Queue.of(&ap.stamps, turn).unwrap().0;
            let phases = Phase::ALL.map(|phase| phase.of(&ap.stamps).unwrap().0);
            [queue, phases[0] - queue].into_iter().chain(phases.into_iter().skip(1))
        });
        let expected = phases.filter(|cycles| *cycles > 0).count();
        let script = format!(
            "const cell = document.getElementById('timeline-cell');
             cell.value = '{index}';
             cell.dispatchEvent(new Event('change'));
             return Number(document.getElementById('timeline-chart').dataset.rects);"
        );
        assert_eq!(browser.run(&script), json!(expected), "cell {index}");
        assert!(expected >= 3 * 4);
    }
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn a_lost_ap_has_a_rectangle_as_far_as_it_came() {
    let line = "repetitions=1 cost-kick=100us cost-wake=1ms limit=20ms fault=never:2";
    let (keep, page) = reported_of(line, &[4]);
    let run = Run::open(keep.path()).unwrap();
    let trial = run.median_trials().unwrap().remove(0).unwrap();
    let (lost, online): (Vec<_>, Vec<_>) =
        trial.timelines.into_iter().partition(|ap| ap.end != ApEnd::Online);
    // Serially no AP is in a queue.
    let phases = online
        .iter()
        .flat_map(|ap| Phase::ALL.map(|phase| phase.of(&ap.stamps).unwrap().0))
        .filter(|cycles| *cycles > 0);
    let [sipi, init] = [Stamp::Sipi, Stamp::Init].map(|stamp| lost[0].stamps.get(stamp));
    assert!(lost.len() == 1 && sipi > init, "{lost:?}");
    let browser = Browser::open(&page, 1280, false);
    let script = "return Number(document.getElementById('timeline-chart').dataset.rects);";
    assert_eq!(browser.run(script), json!(phases.count() + 1));
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn the_filter_answers_mouse_and_keyboard() {
    let (_keep, page) = reported(&[4, 28]);
    let browser = Browser::open(&page, 1280, false);
    let state = || {
        browser.run(
            "const rows = [...document.querySelectorAll('tr[data-cell]')];
             return {
               told: document.getElementById('shown').textContent,
               rows: document.querySelectorAll('#cells ~ .wide tr[data-cell]:not([hidden])').length,
               hidden: new Set(rows.filter((row) => row.hidden).map((row) => row.dataset.cell)).size,
               offered: document.querySelectorAll('#timeline-cell option').length,
             };",
        )
    };
    assert_eq!(state(), json!({ "told": "6 of 6 cells", "rows": 6, "hidden": 0, "offered": 6 }));
    browser.click("#filter label:has([data-axis='0'])");
    assert_eq!(state(), json!({ "told": "3 of 6 cells", "rows": 3, "hidden": 3, "offered": 3 }));
    browser.click("#all");
    assert_eq!(state()["told"], "6 of 6 cells");

    // From the top of the page the first stops are the filter's boxes.
    browser.run("document.activeElement.blur(); scrollTo(0, 0); document.body.tabIndex = -1; document.body.focus();");
    browser.press(&[TAB, TAB, " ", TAB, " "]);
    assert_eq!(state(), json!({ "told": "2 of 6 cells", "rows": 2, "hidden": 4, "offered": 2 }));
    assert_eq!(browser.run("return document.activeElement.matches(':focus-visible')"), true);
    // Nothing shown is a state too.
    browser.press(&[TAB, " ", TAB, " "]);
    assert_eq!(state(), json!({ "told": "0 of 6 cells", "rows": 0, "hidden": 6, "offered": 0 }));
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn the_timeline_answers_mouse_and_keyboard() {
    let (_keep, page) = reported(&[64]);
    let browser = Browser::open(&page, 1280, false);
    let chart = "#timeline-chart";
    let all = [0.0, 100.0, 0.0, 100.0];
    assert_eq!(view(&browser), all);

    browser.run("document.getElementById('timeline-chart').focus();");
    browser.press(&["+", "+"]);
    let zoomed = view(&browser);
    assert!(zoomed[0] > 20.0 && zoomed[1] < 80.0 && zoomed[2] > 20.0, "{zoomed:?}");
    browser.press(&[RIGHT]);
    let right = view(&browser);
    assert!(right[0] > zoomed[0] && right[1] > zoomed[1], "{right:?}");
    assert!((right[1] - right[0] - (zoomed[1] - zoomed[0])).abs() < 0.1, "{right:?}");
    browser.press(&[LEFT, "-"]);
    let wider = view(&browser);
    assert!(wider[1] - wider[0] > zoomed[1] - zoomed[0], "{wider:?}");
    browser.press(&[HOME]);
    assert_eq!(view(&browser), all);

    browser.wheel_with_ctrl(chart, -240);
    let zoomed = view(&browser);
    assert!(zoomed[1] - zoomed[0] < 99.0, "{zoomed:?}");
    browser.drag(chart, -200);
    let dragged = view(&browser);
    assert!(dragged[0] > zoomed[0] + 1.0, "{dragged:?} after {zoomed:?}");
    browser.click("[data-move=all]");
    assert_eq!(view(&browser), all);
    browser.click("[data-move=in]");
    assert!(view(&browser)[0] > 10.0);
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn the_phases_are_shown_as_time_cycles_or_share() {
    let (_keep, page) = reported(&[4]);
    let browser = Browser::open(&page, 1280, false);
    let axis = |unit: &str| {
        browser.click(&format!("#unit label:has([value={unit}])"));
        browser.run(
            "const chart = echarts.getInstanceByDom(document.getElementById('phases-chart'));
             const { xAxis, series } = chart.getOption();
             return [xAxis[0].name, series.map((phase) => phase.data[0]).reduce((a, b) => a + b)];",
        )
    };
    assert_eq!(axis("cycles"), json!(["time of one AP, mean [cycles]", 2_700_000]));
    let share = axis("share");
    assert_eq!(share[0], "share of the mean AP’s time [%]");
    assert!((share[1].as_f64().unwrap() - 100.0).abs() < 1e-9, "{share}");
    let time = axis("time");
    assert_eq!(time[0], "time of one AP, mean [ms]");
    assert!((time[1].as_f64().unwrap() - 2.7).abs() < 1e-9, "{time}");
}

#[test]
fn cells_that_have_no_box_are_told_of() {
    let told = |cells: u32| {
        let words: Vec<String> =
            (1..=cells).map(|cell| format!("cell cost-callin={cell}000")).collect();
        let (_keep, page) = reported_of(&words.join(" "), &[3]);
        let browser = Browser::open(&page, 1280, false);
        assert_eq!(browser.console(), [""; 0]);
        browser.run("return document.getElementById('spread-view').textContent;")
    };
    assert_eq!(told(12), "");
    assert!(told(14).as_str().unwrap().starts_with("The first 12 of 14 cells;"));
}

#[test]
fn every_page_is_accessible_at_both_widths_in_both_themes() {
    for (name, _keep, page) in pages() {
        let browser = opened_out(&page);
        browser.run(&format!("{}; window.axe = axe;", include_str!("axe/axe.min.js")));
        // Of the page with long tables, which takes a quarter of a minute each time, each width and each theme once.
        let step = if name == "54 cells" { 2 } else { 1 };
        for (width, dark) in WIDTHS_AND_THEMES.into_iter().step_by(step) {
            browser.look(width, dark);
            let found = browser.run_async(
                "const done = arguments[0];
                 axe.run().then(({ violations, passes }) => done([
                   violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map((node) => node.html + node.failureSummary) })),
                   passes.length,
                 ]));",
            );
            assert_eq!(found[0], json!([]), "{name} at {width}, dark: {dark}: {:#}", found[0]);
            assert!(found[1].as_u64().unwrap() > 10, "{name}: {}", found[1]);
        }
    }
}

/// How a page is looked at.
const WIDTHS_AND_THEMES: [(u32, bool); 4] =
    [(1280, false), (1280, true), (400, true), (400, false)];

/// A browser with a page in which nothing is folded.
fn opened_out(page: &Path) -> Browser {
    let browser = Browser::open(page, 1280, false);
    browser.run("for (const details of document.querySelectorAll('details')) details.open = true;");
    browser
}

/// What is wrong with the places of a page: a text that its box cuts, a box that sticks out of the page and can't be
/// scrolled to, labels of an axis that overlap or are cut, a tick that is not where its label says.
const MISPLACED: &str = r#"
const wrong = [];
const visible = (element) => element.checkVisibility({ contentVisibilityAuto: true });
const scrolls = (element) => element.closest('.wide') !== null;
for (const element of document.querySelectorAll('h1, h2, p, li, dt, dd, th, td, label, legend, button, pre, summary, output')) {
  if (!visible(element)) continue;
  const { left, right } = element.getBoundingClientRect();
  if (!scrolls(element) && (left < -0.5 || right > innerWidth + 0.5)) wrong.push(`${element.tagName} out of the page: ${element.textContent.trim().slice(0, 60)}`);
  if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible') wrong.push(`${element.tagName} is cut: ${element.textContent.trim().slice(0, 60)}`);
}
for (const box of document.querySelectorAll('.wide')) {
  if (visible(box) && box.scrollWidth > box.clientWidth + 1) wrong.push(`a table is wider than the page: ${box.ariaLabel}, ${box.scrollWidth} of ${box.clientWidth}`);
}
for (const name of ['phases', 'totals', 'spread', 'timeline']) {
  const element = document.getElementById(`${name}-chart`);
  if (!element || !window.echarts) continue;
  const chart = echarts.getInstanceByDom(element);
  const { width, height } = { width: chart.getWidth(), height: chart.getHeight() };
  const texts = chart.getZr().storage.getDisplayList(true).filter((item) => item.type === 'tspan' && !item.ignore && !item.invisible);
  if (texts.length < 3) wrong.push(`${name}: no texts are found`);
  const boxes = texts.map((item) => {
    const box = item.getBoundingRect().clone();
    if (item.transform) box.applyTransform(item.transform);
    return { text: item.style.text, left: box.x, right: box.x + box.width, top: box.y, bottom: box.y + box.height };
  });
  for (const { text, left, right, top, bottom } of boxes) {
    if (left < -1 || right > width + 1 || top < -2 || bottom > height + 2) wrong.push(`${name}: the chart cuts ${text}`);
    if (text.includes('…')) wrong.push(`${name}: ${text} is cut`);
  }
  boxes.forEach((one, index) => boxes.slice(index + 1).forEach((other) => {
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (across > 1.5 && down > 3.5) wrong.push(`${name}: ${one.text} overlaps ${other.text}`);
  }));
  chart.getModel().eachComponent((type, model) => {
    if ((type !== 'xAxis' && type !== 'yAxis') || model.axis.type === 'category') return;
    const { axis } = model;
    for (const label of axis.getViewLabels()) {
      const said = Number(label.formattedLabel.replaceAll(',', ''));
      if (label.formattedLabel !== '' && Math.abs(said - label.tickValue) > 1e-6 * Math.abs(label.tickValue)) {
        wrong.push(`${name}: a tick at ${label.tickValue} is labelled ${label.formattedLabel}`);
      }
    }
  });
}
return wrong;
"#;

/// The pages that are looked at: of many cells, of two TSC syncs, of a lost AP, of a noisy engine, and a comparison.
fn pages() -> Vec<(&'static str, tempfile::TempDir, PathBuf)> {
    let cell = |strategy: &str, sync: &str| format!("cell strategy={strategy} tsc-sync={sync}");
    let strategies = ["serial", "parallel-sipi", "full-parallel"];
    let syncs =
        strategies.map(|name| ["pairwise", "one-to-many"].map(|sync| cell(name, sync)).join(" "));
    let costs = "cost-kick=100us cost-wake=1200us cost-callin=800us tsc-window=500us repetitions=3";
    let two_syncs = format!("{costs} {}", syncs.join(" "));
    let lost = format!("{costs} limit=60ms fault=never:2 skew=3:300 {}", syncs[2]);
    let mut pages = Vec::new();
    for (name, words, cpus) in [
        ("three strategies", STRATEGIES, &[2u16, 4, 8, 16, 28][..]),
        ("54 cells", &two_syncs, &[2, 4, 8, 12, 16, 28, 64, 96, 128]),
        ("one CPU count", &two_syncs, &[12]),
        ("a lost AP", &lost, &[4]),
    ] {
        let (keep, page) = reported_of(words, cpus);
        pages.push((name, keep, page));
    }
    let (keep, noisy) = folder();
    let mut told = run_folder(&noisy, &two_syncs, &[4, 8]);
    for boot in &mut told.boots {
        (boot.engine, boot.exact) = ("tcg".to_owned(), false);
        boot.host_stamps = Some(HostStamps { first_byte: 0.2, goodbye: 0.45, killed: false });
    }
    write_manifest(&noisy, &told);
    report::write(&Run::open(&noisy).unwrap(), &noisy).unwrap();
    pages.push(("a noisy engine", keep, noisy.join("report.html")));
    let (keep, base) = folder();
    run_folder(&base.join("base"), &two_syncs, &[4, 8]);
    run_folder(&base.join("new"), &two_syncs.replace("800us", "900us"), &[4, 8]);
    let [one, other] = ["base", "new"].map(|name| Run::open(&base.join(name)).unwrap());
    let comparison = compare(&one, &other, Settings::default()).unwrap();
    let page = base.join("compare.html");
    fs::write(&page, present::compare::html(&comparison).unwrap()).unwrap();
    pages.push(("a comparison", keep, page));
    pages
}

#[test]
fn nothing_is_cut_or_overlaps_and_every_tick_says_its_value() {
    for (name, _keep, page) in pages() {
        let browser = opened_out(&page);
        for (width, dark) in WIDTHS_AND_THEMES {
            browser.look(width, dark);
            assert_eq!(browser.run(MISPLACED), json!([]), "{name} at {width}, dark: {dark}");
            let wide = browser.run("return document.documentElement.scrollWidth;");
            assert_eq!(wide, json!(width), "{name}");
        }
    }
}

#[test]
fn on_paper_the_still_figures_and_every_table_are_shown() {
    let (_keep, page) = reported(&[4]);
    let browser = Browser::open(&page, 800, true);
    browser.print_preview();
    let shown = browser.run(
        "const visible = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility({ contentVisibilityAuto: true })).length;
         return [visible('.still svg'), visible('canvas'), visible('details tr'), document.querySelectorAll('details tr').length];",
    );
    assert_eq!(shown[0], 5);
    assert_eq!(shown[1], 0);
    assert_eq!(shown[2], shown[3]);
}

/// Whether anything but the page's own scripts ran or got in.
fn untouched(browser: &Browser) -> Value {
    browser.run(
        "return [document.scripts.length, document.querySelectorAll('img, iframe, object, embed, link, [onerror], [onload], [onclick]').length, window.hit ?? null];",
    )
}

#[test]
fn nothing_of_a_capture_or_a_manifest_runs() {
    let (_keep, page) = reported(&[3]);
    let clean = untouched(&Browser::open(&page, 1280, false));
    assert_eq!(clean, json!([3, 0, null]));

    let (_keep, folder) = folder();
    let evil = "</script><script>window.hit=1;alert(1)</script><img src=x onerror=window.hit=2>\
                <!--<script>]]>'\"`${window.hit=3}{{7*7}}";
    let line = "repetitions=3 cell strategy=serial cell strategy=full-parallel";
    let mut boots = vec![boot("a.bin", line, 3), boot("b.bin", line, 3)];
    boots[0].engine = evil.to_owned();
    boots[0].profiles = vec![Some(evil.to_owned()), None];
    boots[1].command.push(evil.to_owned());
    boots[1].engine_version = evil.to_owned();
    boots[1].cpu_model = evil.to_owned();
    let mut told = manifest(boots);
    told.scenario = evil.to_owned();
    told.scenario_text = evil.to_owned();
    told.started = evil.to_owned();
    told.host.cpu = evil.to_owned();
    write_manifest(&folder, &told);
    for name in ["a.bin", "b.bin"] {
        fs::write(folder.join(name), tampered(&capture(line, 3), evil)).unwrap();
    }
    let run = Run::open(&folder).unwrap();
    report::write(&run, &folder).unwrap();
    let browser = Browser::open(&folder.join("report.html"), 1280, false);
    // The tooltips and the tables that are made on demand show names too.
    browser.run("for (const details of document.querySelectorAll('details')) details.open = true;");
    browser.drag("#timeline-chart", 40);
    browser.drag("#totals-chart", 40);
    browser.drag("#phases-chart", 40);
    assert_eq!(untouched(&browser), clean);
    assert_eq!(browser.console(), [""; 0]);
    let names = browser.run("return document.querySelector('#timeline-cell option').textContent;");
    assert!(names.as_str().unwrap().contains("<script>window.hit=1"), "{names}");
}

/// A capture whose `Hello` says something else.
fn tampered(capture: &[u8], says: &str) -> Vec<u8> {
    use bringup::frame::{Body, Frame, Hello};
    let mut bytes = Vec::new();
    let first = capture.iter().position(|byte| *byte == 0).unwrap() + 1;
    let mut raw = capture[..first - 1].to_vec();
    let length = cobs::decode_in_place(&mut raw).unwrap();
    let frame: Frame<'_> = postcard::from_bytes(&raw[..length - 4]).unwrap();
    let Body::Hello(hello) = frame.body else { panic!("{frame:?}") };
    // As much as a frame has room for.
    let says = &says[..says.len().min(120)];
    let hello = Hello { kernel: says, model: says, hypervisor: says, ..hello };
    bytes.extend(simulated::encoded(&Frame { number: 0, body: Body::Hello(hello) }));
    bytes.extend(&capture[first..]);
    bytes
}

/// Writes docs/screenshots: `RUN=results/latest cargo test -p host-analyzer --features
/// browser-tests --test page screenshots -- --ignored`.
#[test]
#[ignore = "writes into docs/, from a run that RUN names"]
fn screenshots() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let run = PathBuf::from(std::env::var_os("RUN").expect("RUN names a run folder"));
    let run = Run::open(&root.join(run)).unwrap();
    let (_keep, folder) = folder();
    report::write(&run, &folder).unwrap();
    let target = root.join("docs/screenshots");
    fs::create_dir_all(&target).unwrap();
    for (width, dark) in [(1280, false), (1280, true), (400, false), (400, true)] {
        let browser = Browser::open(&folder.join("report.html"), width, dark);
        let theme = if dark { "dark" } else { "light" };
        // What a reader sees first, and the timeline.
        for (name, from, to) in [("report", "body", "#spread"), ("timeline", "#timeline", "#cells")]
        {
            let png = BASE64_STANDARD.decode(browser.picture(from, to)).unwrap();
            fs::write(target.join(format!("{name}-{width}-{theme}.png")), fewer_colours(&png))
                .unwrap();
        }
    }
}

/// The picture with a palette, which is a quarter of the size.
fn fewer_colours(png: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let about = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(about.color_type, png::ColorType::Rgb);
    let rgba: Vec<u8> =
        pixels.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect();
    let palette = color_quant::NeuQuant::new(10, 256, &rgba);
    let indices: Vec<u8> =
        rgba.chunks_exact(4).map(|pixel| palette.index_of(pixel) as u8).collect();
    let mut made = Vec::new();
    let mut encoder = png::Encoder::new(&mut made, about.width, about.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.color_map_rgb());
    encoder.set_compression(png::Compression::High);
    encoder.write_header().unwrap().write_image_data(&indices).unwrap();
    made
}
