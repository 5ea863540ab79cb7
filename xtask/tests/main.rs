//! The workspace is tidy, and every check finds what it is for.

use std::path::Path;
use std::process::Command;
use xtask::{File, all_findings, blank, check_graph, check_manifests, check_texts, list, root};

/// What the checks say of one file, as `LINE: message`.
fn said(path: &str, text: &str) -> Vec<String> {
    let found = check_texts(&[File::new(path, text)]);
    found.iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
}

fn says(path: &str, text: &str, line: usize, what: &str) {
    let found = said(path, text);
    let wanted = format!("{line}: ");
    assert!(
        found.iter().any(|message| message.starts_with(&wanted) && message.contains(what)),
        "{path}: {found:?} lacks line {line}, {what}"
    );
}

#[test]
fn the_workspace_is_tidy() {
    let found = all_findings(&root()).unwrap();
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", text.join("\n"));
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "a /* b /* c */ d */ \"e\\\"f\" 'g' '\\'' &'h i r#\"j\"k\"# br\"l\" r#m bar\"n\" // o\np";
    let code = blank(text);
    let left: String = code.chars().filter(char::is_ascii_alphabetic).collect();
    assert_eq!((left.as_str(), code.lines().count()), ("ahibrmbarp", 2));
    for quiet in ["// println!(1)\n", "/// dbg!(1)\n", "const A: &str = \"todo!()\";\n", "//! unsafe { }\n"] {
        assert_eq!(said("crates/search/src/x.rs", quiet), [""; 0]);
    }
    assert_eq!(blank("\"open"), "     ");
    assert_eq!(blank("'\\"), "  ");
}

#[test]
fn words_are_banned_where_they_are() {
    let in_search = [
        ("eprintln!(\"\");\n", "`eprintln!`: only brp-nas and xtask print"),
        ("dbg!(1);\n", "`dbg!`"),
        ("let t = std::time::Instant::now();\n", "`Instant`: only latbench"),
        ("use std::time::SystemTime;\n", "`SystemTime`"),
        ("use std::fs;\n", "`std::fs`: only tables"),
        ("fs::read(path);\n", "`fs::`"),
        ("File::open(path);\n", "`File::`"),
        ("let x = rand::rng();\n", "`rand::rng(`: nothing asks the system"),
        ("thread_rng();\n", "`thread_rng`"),
        ("X::from_os_rng();\n", "`from_os_rng`"),
        ("getrandom::fill(&mut x);\n", "`getrandom`"),
        ("#[ignore = \"slow\"]\n", "`#[ignore`"),
        ("todo!()\n", "`todo!`"),
        ("unimplemented!()\n", "`unimplemented!`"),
        ("unsafe { x() }\n", "forbidden outside cpu-ops"),
    ];
    for (text, what) in in_search {
        says("crates/search/src/x.rs", &format!("fn a() {{}}\n{text}"), 2, what);
    }
    for (text, _) in &in_search[..7] {
        for path in ["crates/search/tests/main.rs", "crates/search/build.rs", "crates/brp-nas/src/main.rs"] {
            assert_eq!(said(path, text), [""; 0], "{text}");
        }
        let test = format!("#[cfg(test)]\nmod tests {{\n    fn a() {{ {} }}\n}}\n", text.trim_end());
        assert_eq!(said("crates/search/src/x.rs", &test), [""; 0]);
        says("crates/search/src/x.rs", &format!("{test}{text}"), 5, "only");
    }
    for (text, what) in &in_search[7..14] {
        says("crates/search/benches/x.rs", text, 1, what);
    }
    assert_eq!(said("crates/tables/src/x.rs", "std::fs::read(x);\n"), [""; 0]);
    assert_eq!(
        said("crates/search/src/x.rs", "my_println!(); InstantFood; not_unsafe(); reprint!();\n"),
        [""; 0]
    );
}

#[test]
fn every_unsafe_says_why_it_holds() {
    says("crates/cpu-ops/src/x.rs", "// SAFETY: far\n\n\n\n\n\nunsafe { x() }\n", 7, "without `// SAFETY:`");
    assert_eq!(said("crates/cpu-ops/src/x.rs", "// SAFETY: near\n\n\n\n\nunsafe { x() }\n"), [""; 0]);
    assert_eq!(said("crates/cpu-ops/src/x.rs", "#![allow(unsafe_code)]\n"), [""; 0]);
}

#[test]
fn form_paths_and_notes() {
    says("a.md", "a\nb \n", 2, "white space");
    says("a.md", "a\r\n", 1, "white space");
    says("LICENSE", "a", 1, "newline");
    says("a.toml", "a\n\n", 2, "newline");
    says("crates/search/src/x.rs", "\tx\n", 1, "a tab");
    assert_eq!(said("fixtures/data.csv", "a \nb"), [""; 0]);
    for path in ["/home/me", "`/Users/x`", "(/mnt/y)", "--out /tmp/z"] {
        says("README.md", &format!("a\n{path}\n"), 2, "path of one machine");
        assert_eq!(said(".ci/run", &format!("{path}\n")), [""; 0]);
    }
    assert_eq!(said("a.md", "https://x.org/home/ $DIR/tmp/ a/mnt/b\n"), [""; 0]);
    says("a.py", "# TODO later\n", 1, "TODO: do it");
    says("crates/search/src/x.rs", "// FIXME\n", 1, "FIXME");
    assert_eq!(said("a.md", "TODOS\n"), [""; 0]);
    let long = "mod a;\n".repeat(61);
    says("crates/search/src/lib.rs", &long, 61, "61 lines, at most 60");
    assert_eq!(said("crates/search/src/lib.rs", &long[7..]), [""; 0]);
    let large = File { path: "x.bin".into(), bytes: 1_500_001, text: String::new() };
    assert!(check_texts(&[large])[0].message.starts_with("1500001 bytes: keep files below"));
}

#[test]
fn crates_and_golden_data_are_complete() {
    says("crates/a/Cargo.toml", "", 1, "no README.md");
    says("crates/a/Cargo.toml", "", 1, "no test");
    let file = File::new;
    let krate = [
        file("crates/a/Cargo.toml", ""),
        file("crates/a/README.md", "# a\n"),
        file("crates/a/tests/main.rs", "#[test]\nfn a() {}\n"),
    ];
    assert!(check_texts(&krate).is_empty());

    let mut fixture = vec![file("fixtures/a/case/data.json", "{}")];
    assert_eq!(check_texts(&fixture)[0].path, "fixtures/a/case/README.md");
    fixture.push(file("fixtures/a/case/README.md", "From there.\n"));
    assert!(check_texts(&fixture).is_empty());

    let readme = |rows: &str| {
        let table = "| `search` | a command |\n\n| crate | line |\n|---|---|\n";
        let files = [&krate[..], &[file("README.md", &format!("{table}{rows}"))]].concat();
        check_texts(&files).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(readme("| [`a`](crates/a) | one |\n"), [""; 0]);
    assert_eq!(
        readme("| `a` | one |\n| `b` | two |\n"),
        ["README.md:6: there is no crate `b`: take the row out"]
    );
    assert_eq!(readme(""), ["README.md:3: the table of crates has no row for `a`: add one"]);
}

#[test]
fn manifests_inherit() {
    let good = "[package]\ndescription = \"a\"\n[dependencies]\ncsv.workspace = true\n\
                nas-core = { workspace = true, features = [] }\n[lints]\nworkspace = true\n";
    let check = |text: &str| {
        let found = check_manifests(&[File::new("crates/a/Cargo.toml", text)]);
        found.iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect::<Vec<_>>()
    };
    assert_eq!(check(good), [""; 0]);
    let own = "`csv` has a version of its own: use `csv.workspace = true`";
    assert_eq!(check(&good.replace("csv.workspace = true", "csv = \"1\"")), [format!("4: {own}")]);
    for kind in ["[dev-dependencies]", "[target.'cfg(unix)'.build-dependencies]"] {
        assert_eq!(check(&format!("{good}{kind}\ncsv = {{ path = \"x\" }}\n")).len(), 1, "{kind}");
    }
    assert!(
        check(&good.replace("[lints]\nworkspace = true\n", ""))[0].contains("does not inherit the lints")
    );
    assert!(check(&good.replace("\"a\"", "\" \""))[0].contains("no description"));
    assert!(check("[package\n")[0].starts_with("1: not a manifest"));
}

/// Metadata of a workspace of the first names of `arrows`, with arrows of that kind.
fn graph(members: &[&str], arrows: &[(&str, &str, &str)]) -> Vec<String> {
    let mut names: Vec<&str> = members.to_vec();
    names.extend(arrows.iter().flat_map(|(from, to, _)| [*from, *to]));
    names.sort_unstable();
    names.dedup();
    let packages: Vec<_> =
        names.iter().map(|name| serde_json::json!({"id": format!("{name} 1"), "name": name})).collect();
    let node = |name: &&str| {
        let deps = arrows.iter().filter(|(from, _, _)| from == name).map(|(_, to, kind)| {
            let kind = if kind.is_empty() { serde_json::Value::Null } else { (*kind).into() };
            serde_json::json!({"pkg": format!("{to} 1"), "dep_kinds": [{"kind": kind}]})
        });
        serde_json::json!({"id": format!("{name} 1"), "deps": deps.collect::<Vec<_>>()})
    };
    let nodes: Vec<_> = names.iter().map(node).collect();
    let members: Vec<_> = members.iter().map(|name| format!("{name} 1")).collect();
    let metadata =
        serde_json::json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes}});
    check_graph(&metadata).iter().map(ToString::to_string).collect()
}

#[test]
fn arrows_point_down() {
    let all = ["nas-core", "search", "spaces", "gcn", "brp-nas", "xtask"];
    let good = [
        ("search", "nas-core", ""),
        ("brp-nas", "search", ""),
        ("search", "spaces", "dev"),
        ("gcn", "candle-core", ""),
    ];
    assert_eq!(graph(&all, &good), [""; 0]);
    let lower =
        "crates/search/Cargo.toml:1: search -> gcn: an arrow must point to a lower layer (ARCHITECTURE.md)";
    assert_eq!(graph(&all, &[("search", "gcn", "")]), [lower]);
    assert_eq!(graph(&all, &[("gcn", "spaces", "build")]).len(), 1, "the same layer is not lower");
    assert_eq!(
        graph(&all, &[("xtask", "nas-core", "")]),
        ["xtask/Cargo.toml:1: xtask -> nas-core: xtask knows no crate and none knows it"]
    );
    assert_eq!(
        graph(&["new"], &[]),
        ["crates/new/Cargo.toml:1: the crate has no layer: give it one in xtask/src/graph.rs"]
    );
    for name in ["nas-core", "arch-graph", "spaces", "search", "store", "tables"] {
        let through = [(name, "other", ""), ("other", "candle-core", "")];
        let wanted = format!(
            "crates/{name}/Cargo.toml:1: {name} -> other -> candle-core: {name} must not depend on it"
        );
        assert!(graph(&[name], &through)[0].starts_with(&wanted), "{name}");
        assert_eq!(graph(&[name], &[(name, "other", ""), ("other", "candle-core", "dev")]), [""; 0]);
    }
    assert_eq!(graph(&["gcn"], &[("gcn", "petgraph", "")]).len(), 1);
    assert_eq!(graph(&["latbench"], &[("latbench", "cellnet", ""), ("cellnet", "search", "")]).len(), 1);
}

fn git(folder: &Path, args: &[&str]) -> bool {
    Command::new("git").args(args).current_dir(folder).output().is_ok_and(|output| output.status.success())
}

#[test]
fn files_are_listed_with_and_without_git() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, bytes: &[u8]| {
        let full = dir.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, bytes).unwrap();
    };
    put("crates/a/src/lib.rs", b"x\n");
    put("target/b.rs", b"y\n");
    put("data.bin", b"\xff\xfe");
    put(".gitignore", b"/target\n");
    let paths = || list(dir.path()).unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>();
    let all = [".gitignore", "crates/a/src/lib.rs", "data.bin"];
    assert_eq!(paths(), all);
    if git(dir.path(), &["init", "-q"]) {
        assert_eq!(paths(), all);
    }
    assert_eq!(list(dir.path()).unwrap()[2].text, "");
}

#[test]
fn fixture_scripts_are_listed_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let case = dir.path().join("fixtures/a/b");
    std::fs::create_dir_all(&case).unwrap();
    std::fs::write(case.join("make.sh"), "echo made > data.txt\n").unwrap();
    xtask::fixtures(dir.path(), None).unwrap();
    xtask::fixtures(dir.path(), Some("a/b")).unwrap();
    assert_eq!(std::fs::read_to_string(case.join("data.txt")).unwrap(), "made\n");
    let error = xtask::fixtures(dir.path(), Some("a/c")).unwrap_err().to_string();
    assert_eq!(error, "a/c is not one case with a make.py or make.sh; there are a/b");
    // the name of the case alone, where one crate has it
    std::fs::remove_file(case.join("data.txt")).unwrap();
    xtask::fixtures(dir.path(), Some("b")).unwrap();
    assert!(case.join("data.txt").exists());
    let other = dir.path().join("fixtures/c/b");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("make.sh"), "true\n").unwrap();
    assert!(xtask::fixtures(dir.path(), Some("b")).unwrap_err().to_string().contains("b is not one case"));
    std::fs::write(case.join("make.sh"), "exit 3\n").unwrap();
    assert!(xtask::fixtures(dir.path(), Some("a/b")).unwrap_err().to_string().contains("failed"));
}

#[test]
fn everything_else_is_handed_to_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let full = dir.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    };
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env("CARGO_MANIFEST_DIR", dir.path().join("xtask")).env_remove("CARGO_BUILD_TARGET");
        command.env("CARGO_TARGET_DIR", dir.path().join("built")).current_dir(dir.path().join("crates"));
        command
    };
    put("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    put("crates/other/Cargo.toml", "[package]\nname = \"other\"\nedition = \"2024\"\n");
    put("crates/other/src/lib.rs", "");
    let none = run().arg("search").output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8(none.stderr).unwrap().contains("error: cannot build brp-nas"));

    put("crates/brp-nas/Cargo.toml", "[package]\nname = \"brp-nas\"\nedition = \"2024\"\n");
    let program = "fn main() {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if args[0] == \"abort\" { std::process::abort(); }
        let here = std::env::current_dir().unwrap();
        print!(\"{args:?} in {}\", here.file_name().unwrap().display());
        std::process::exit(7);
    }";
    put("crates/brp-nas/src/main.rs", program);
    let done = run().args(["search", "--help", "a b"]).output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "[\"search\", \"--help\", \"a b\"] in crates");
    assert_eq!(done.status.code(), Some(7));
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(run().arg("abort").status().unwrap().signal(), Some(6), "a shell makes 134 of it");
    }
}

#[test]
fn usage() {
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap();
    for args in [&[][..], &["--help"]] {
        let output = run(args);
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), xtask::USAGE);
    }
    let wrong = run(&["tidy", "--fast"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr).unwrap().starts_with("error: `tidy --fast` takes no such arguments")
    );
}
