//! `brp-nas report` on runs of every kind, on records, and in a browser where there is one.

use crate::{Table, json, more, run};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Runs of every command that leaves a picture, in folders of their own.
fn runs(table: &Table) {
    let (valid, latency) = (table.column("valid"), table.column("device_ms"));
    let small = "--channels 2 --cells 1 --image 8";
    for (name, flags) in [
        ("single", format!("--latency {latency} --max-latency 6")),
        ("repeats", format!("--algorithm random --repeats 3 --latency {latency} --max-latency 6")),
        (
            "compared",
            "--algorithm all --repeats 2 --proxy params --pool 6 --tournament 3 --warmup 100".into(),
        ),
    ] {
        let output =
            run(&more(&table.search(&format!("runs/{name}")), &flags.split_whitespace().collect::<Vec<_>>()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for (name, command) in [
        (
            "predicted",
            format!(
                "predict --table {valid} --train 50 --validation 0 --method linear,relation --encoding pruned"
            ),
        ),
        (
            "scored",
            format!("score --sample 200 --batch 4 --proxies snip,nwot,synflow {small} --table {valid}"),
        ),
        ("trained", format!("train --sample 2 --epochs 2 --train-images 100 {small} --curve 2")),
    ] {
        let out = table.path(&format!("runs/{name}")).display().to_string();
        let words: Vec<&str> = command.split_whitespace().chain(["--out", &out]).collect();
        let output = run(&self::words(&words));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // cut off after some trials
    for (name, flags) in [
        ("cut", "--algorithm random"),
        ("cut-repeats", "--algorithm random --repeats 2"),
        ("cut-all", "--algorithm all --repeats 2 --proxy params --pool 6 --tournament 3 --warmup 100"),
    ] {
        let out = format!("runs/{name}");
        let output = run(&more(&table.search(&out), &flags.split(' ').collect::<Vec<_>>()));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(table.path(&out).join("result.json")).unwrap();
    }
}

#[test]
fn runs_become_a_page_and_pictures() {
    let table = Table::new();
    runs(&table);
    let folder = table.path("runs").display().to_string();
    let report = json(&words(&["report", &folder]));
    assert_eq!((report["runs"].as_u64(), report["cut_off"].as_u64()), (Some(9), Some(3)));
    let files: Vec<&str> =
        report["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    let names: Vec<&str> =
        files.iter().filter_map(|file| Path::new(file).file_name()?.to_str()?.strip_suffix(".svg")).collect();
    for expected in [
        "searches-test",
        "single-curve",
        "single-front",
        "single-best",
        "repeats-curve",
        "compared-curves",
        "predicted-linear-values",
        "predicted-linear-places",
        "predicted-relation-places",
        "scored-costs",
        "trained-training",
        "cut-curve",
        "cut-repeats-curve",
        "cut-all-curve",
    ] {
        assert!(names.contains(&expected), "{expected} is not among {names:?}");
    }
    for file in &files {
        let bytes = fs::read(file).unwrap();
        match Path::new(file).extension().unwrap().to_str().unwrap() {
            "png" => assert_eq!(bytes[..4], *b"\x89PNG", "{file}"),
            "svg" => assert!(bytes.starts_with(b"<svg"), "{file}"),
            _ => {}
        }
    }
    let page = fs::read_to_string(files[0]).unwrap();
    // all that it shows is in it
    for outside in ["src=\"", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for said in [
        "no result yet, 12 trials so far",
        "no result yet, 24 trials so far",
        "Largest accuracy so far",
        "data-number=",
        "max_latency",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(page.matches("<section").count() == 9 && page.matches("<svg").count() == names.len());
    // the same runs give the same bytes
    let again = table.path("again").display().to_string();
    json(&words(&["report", &folder, "--to", &again]));
    assert_eq!(fs::read_to_string(table.path("again/report.html")).unwrap(), page);
    in_a_browser(Path::new(files[0]));
    // runs of one name do not write over each other's pictures
    let (one, same) = (table.path("runs/single"), table.path("other/single"));
    fs::create_dir_all(&same).unwrap();
    for name in ["settings.json", "result.json"] {
        fs::copy(one.join(name), same.join(name)).unwrap();
    }
    let both = [one, same].map(|folder| folder.display().to_string());
    let to = table.path("both");
    let report = json(&words(&["report", &both[0], &both[1], "--to", &to.display().to_string()]));
    assert_eq!(report["files"].as_array().unwrap().len(), fs::read_dir(&to).unwrap().count());
}

/// Sorts a column by a key and a click, and hears what the browser has to say.
fn in_a_browser(page: &Path) {
    let Ok(chromium) = which("chromium") else { return };
    let text = fs::read_to_string(page).unwrap();
    let check = "<script>\n\
        const heads = [...document.querySelectorAll('th button')];\n\
        const head = heads.find((b) => b.textContent === 'seed') ?? heads[0];\n\
        head.focus(); head.click(); head.click();\n\
        document.title = [document.activeElement === head, head.parentElement.getAttribute('aria-sort'),\n\
          document.documentElement.scrollWidth <= innerWidth].join();\n</script></body>";
    let tried = page.with_file_name("tried.html");
    fs::write(&tried, text.replace("</body>", check)).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--window-size=400,800",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"])
        .arg(format!("file://{}", tried.canonicalize().unwrap().display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let page = String::from_utf8_lossy(&output.stdout);
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    assert_eq!(title, Some("true,descending,true"), "focus, sorting and a narrow screen: {said}");
}

fn which(name: &str) -> Result<std::path::PathBuf, ()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists()).ok_or(())
}

#[test]
fn records_of_experiments_become_a_page_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let current = fs::read_to_string(root.join("results/CURRENT")).unwrap();
    let records = root.join("results").join(current.trim()).display().to_string();
    let experiments = root.join("experiments").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().display().to_string();
    let report = json(&words(&["report", &records, "--experiments", &experiments, "--to", &to]));
    let kept = fs::read_dir(&records).unwrap().count() as u64;
    assert_eq!((report["records"].as_u64(), report["runs"].as_u64()), (Some(kept), Some(0)));
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("published and here") && page.contains("reached"));
    // a record of an experiment that is not there
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().display().to_string();
    refused(&["report", &records, "--experiments", &nowhere, "--to", &to], "which is not in");
}

fn refused(args: &[&str], said: &str) {
    let output = run(&words(args));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains(said), "{said}: {error}");
}

#[test]
fn bad_input_of_a_report_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let whole = path("");
    refused(&["report", &whole], "holds no run");
    refused(&["report", &path("absent")], "cannot list");
    fs::create_dir(path("old")).unwrap();
    fs::write(path("old/settings.json"), "{\"command\": \"search\"}").unwrap();
    refused(&["report", &whole], "not what this version writes");
    fs::write(
        path("old/settings.json"),
        "{\"command\": \"draw\", \"started_s\": 0, \"settings\": {}, \"host\": {}}",
    )
    .unwrap();
    fs::write(path("old/result.json"), "{").unwrap();
    refused(&["report", &whole], "result.json");
    fs::write(path("old/result.json"), "{}").unwrap();
    fs::write(path("page.html"), "{{ sheet.nothing.there }}").unwrap();
    refused(&["report", &path("old"), "--template", &path("page.html")], "template");
    fs::write(path("page.html"), "{{ sheet.sections | length }} of {{ version }}").unwrap();
    let output: Value = json(&words(&["report", &path("old"), "--template", &path("page.html")]));
    let page = fs::read_to_string(output["files"][0].as_str().unwrap()).unwrap();
    assert_eq!(page, format!("1 of {}", env!("CARGO_PKG_VERSION")));
}
