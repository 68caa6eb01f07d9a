//! Tidiness as a test: what the design rules about files, imports and dependencies holds, or a test says where not.

#![allow(missing_docs, reason = "tests say what they check in their names")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DOMAIN: &[&str] = &[
    "error",
    "clock",
    "currency",
    "retry",
    "job",
    "batch",
    "breaker",
    "measure",
    "alert",
    "schedule",
    "stats",
    "event",
    "repair",
    "token",
    "selection",
    "format",
    "host",
];
const ENGINE: &[&str] = &[
    "client",
    "queue",
    "dead_letters",
    "batches",
    "breakers",
    "key_limits",
    "schedules",
    "inspector",
    "events",
    "tokens",
    "heal",
    "doctor",
    "check",
    "bench",
    "alerts",
    "worker",
    "testing",
    "producer",
    "spool",
    "timeline",
    "job_log",
    "pace",
    "walk",
    "audit",
    "bulk",
    "removal",
    "worker_end",
    "undo",
    "mover",
    "explain",
    "jobs_file",
];

/// The longest Rust file without its inline tests, and the longest script.
const RUST_LINES_MAX: usize = 500;
const LUA_LINES_MAX: usize = 60;
const FUNCTION_LINES_MAX: usize = 70;

/// A source file of ours.
struct File {
    /// From the crate's root, with slashes.
    path: String,
    text: String,
}

impl File {
    /// The lines before the inline tests, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<_> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
        let end = tests.unwrap_or(lines.len());
        lines.into_iter().take(end).enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The same without comments.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A file that is compiled only for tests.
    fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The module of the library that it belongs to; `None` for the binary, the crate root and the tests.
    fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let module = rest.split('/').next()?.trim_end_matches(".rs");
        (module != "lib" && module != "bin").then_some(module)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<File> {
    let mut waiting: Vec<PathBuf> = ["src", "tests", "benches"].iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            files.push(File { path, text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 20, "the sources are where they are looked for");
    files
}

/// Fails with every finding, one a line.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// The lines of library and binary code that hold one of `words` outside the files that `allowed` names.
fn uses(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && !file.is_test() && !allowed(&file.path)) {
        for (number, line) in file.statements() {
            // `config` has a module of that name.
            let line = line.replace("super::redis::", "");
            if let Some(word) = words.iter().find(|&&word| holds(&line, word)) {
                findings.push(format!("{}:{number}: {word}: {}", file.path, line.trim()));
            }
        }
    }
    findings
}

/// Whether `line` holds `word` where no longer name ends with it.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && before != '_')
    })
}

/// What a module of the library may import from it.
fn may_import(module: &str) -> Option<Vec<&'static str>> {
    let domain_before = |name: &str| DOMAIN.iter().copied().take_while(|&known| known != name).collect::<Vec<_>>();
    let allowed = match module {
        // Settings of a queue are shown among its statistics.
        "stats" | "event" | "selection" => [domain_before(module), vec!["config"]].concat(),
        module if DOMAIN.contains(&module) => domain_before(module),
        "config" => vec!["error", "clock", "retry", "job", "alert"],
        "processor" => DOMAIN.to_vec(),
        "store" => [DOMAIN, &["config"]].concat(),
        "builtin" => [DOMAIN, &["processor"]].concat(),
        module if ENGINE.contains(&module) => [DOMAIN, &["config", "processor", "store"], ENGINE].concat(),
        "service" => [DOMAIN, &["processor", "builtin"], ENGINE].concat(),
        "api" => [DOMAIN, &["config", "processor", "builtin", "service"], ENGINE].concat(),
        _ => return None,
    };
    Some(allowed)
}

/// The modules behind the names that the crate root re-exports.
fn reexports() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap().replace('\n', " ");
    let mut names = BTreeMap::new();
    for part in text.split("pub use ").skip(1) {
        let Some((path, _)) = part.split_once(';') else { continue };
        let (module, rest) = path.split_once("::").unwrap_or((path, path));
        for name in rest.trim_matches(['{', '}']).split(',') {
            names.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    names
}

/// The first names behind `crate::` in a line, also in `crate::{a, b}`.
fn imported(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::").filter(|(at, _)| !line[..*at].ends_with('$')) {
        let rest = &line[at + "crate::".len()..];
        let name = |text: &str| -> String {
            text.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
        };
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split('}').next().unwrap_or(list).split(',').map(name)),
            None => names.push(name(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_point_down() {
    let reexports = reexports();
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && !file.is_test()) {
        let Some(module) = file.module() else { continue };
        let Some(allowed) = may_import(module) else {
            findings.push(format!("{}: module {module} has no layer; give it one here and in the design", file.path));
            continue;
        };
        for (number, line) in file.statements() {
            for name in imported(line) {
                let from = reexports.get(&name).unwrap_or(&name);
                if from != module && !allowed.contains(&from.as_str()) {
                    findings.push(format!("{}:{number}: {module} may not import {from}", file.path));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn effects_live_at_the_rim() {
    let binary = |path: &str| path.starts_with("src/bin/");
    let shows = |path: &str| path.ends_with("/ui.rs") || path.contains("/output/");
    let mut findings = uses(&["redis::"], |path| path.starts_with("src/store/") || path == "src/config/mod.rs");
    findings.extend(uses(&["std::env", "env::var", "env::args"], |path| {
        path.starts_with("src/config/") || path == "src/bin/ireva-queue/ui.rs"
    }));
    findings.extend(uses(&["SystemTime::now", "Utc::now", "Local::now", "UNIX_EPOCH.elapsed"], |path| {
        path == "src/clock.rs"
    }));
    findings.extend(uses(&["anyhow"], binary));
    findings.extend(uses(&["println!", "eprintln!", "print!", "eprint!", "dbg!"], |path| binary(path) && shows(path)));
    findings.extend(uses(&["process::exit", "process::abort"], |_| false));
    none(&findings);
}

#[test]
fn the_binary_names_only_what_the_library_exports() {
    let binary = files().into_iter().filter(|file| file.path.starts_with("src/bin/"));
    let foreign = ["redis::", "tokio::net", "lettre::", "reqwest::"];
    let findings = binary.flat_map(|file| {
        let found = file.statements().filter(|(_, line)| foreign.iter().any(|word| holds(line, word)));
        found.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())).collect::<Vec<_>>()
    });
    none(&findings.collect::<Vec<_>>());
}

/// The REST API lives in the library's crate, where the compiler would let it reach for more than others can.
#[test]
fn the_api_names_only_what_the_library_exports() {
    let exported = reexports();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.module() == Some("api")) {
        for (number, line) in file.statements() {
            let hidden = |name: &String| !exported.contains_key(name) && !modules.contains(&name.as_str());
            let hidden = imported(line).into_iter().filter(hidden);
            findings.extend(hidden.map(|name| format!("{}:{number}: {name} is not public", file.path)));
        }
    }
    none(&findings);
}

#[test]
fn files_and_functions_are_small() {
    let mut findings = Vec::new();
    for file in files() {
        let lines = file.code().count();
        let most = if file.is_rust() { RUST_LINES_MAX } else { LUA_LINES_MAX };
        if (file.is_rust() || file.path.ends_with(".lua")) && lines > most {
            findings.push(format!("{}: {lines} lines, more than {most}", file.path));
        }
        if file.is_rust() {
            findings.extend(long_functions(&file));
        }
    }
    none(&findings);
}

/// Formatted code ends a function with the first brace at the indent that it began with.
fn long_functions(file: &File) -> Vec<String> {
    let lines: Vec<_> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        let words: Vec<_> = body.split_whitespace().take_while(|word| !word.contains('"')).take(5).collect();
        if !words.contains(&"fn") || body.starts_with("//") || body.ends_with(';') || body.ends_with('}') {
            continue;
        }
        let end = lines[index..].iter().position(|later| *later == format!("{indent}}}")).unwrap_or_default() + 1;
        if end > FUNCTION_LINES_MAX {
            findings.push(format!("{}:{}: {end} lines: {body}", file.path, index + 1));
        }
    }
    findings
}

#[test]
fn names_of_files_say_what_is_inside() {
    let empty = ["util", "utils", "helper", "helpers", "common", "misc", "types"];
    let named = |file: &File| file.path.split('/').any(|part| empty.contains(&part.trim_end_matches(".rs")));
    none(&files().iter().filter(|file| named(file)).map(|file| file.path.clone()).collect::<Vec<_>>());
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let bare = |file: &File| match file.path.rsplit_once('.') {
        Some((_, "rs")) => !file.text.starts_with("//! "),
        Some((_, "lua")) => !file.text.starts_with("-- "),
        _ => false,
    };
    none(&files().iter().filter(|file| bare(file)).map(|file| file.path.clone()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["unimpl", "emented!"],
        ["to", "do!("],
        ["#[ign", "ore"],
        ["allow(dead", "_code)"],
        ["allow(dead", "_code,"],
        ["allow(unused", "_imports)"],
    ];
    let mut findings = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            if marks.iter().any(|halves| holds(line, &halves.concat())) && !line.contains("reason = ") {
                findings.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(&findings);
}

/// Every Lua number is a double: one of 64 bits joined to a string by `..` comes out as 1.7640000001235e+15.
#[test]
fn scripts_print_large_integers_only_through_int() {
    let instants = ["fence", "arrival", "due", "tat", "score"];
    // The length of a lease is a span, not an instant.
    let is_large = |name: &str| {
        instants.contains(&name) || (name != "lease_ms" && (name.ends_with("_us") || name.ends_with("_ms")))
    };
    let letters = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".lua")) {
        for (number, line) in file.statements().filter(|(_, line)| !line.trim_start().starts_with("--")) {
            for (at, _) in line.match_indices("..").filter(|(at, _)| !line[*at..].starts_with("...")) {
                let before = line[..at].trim_end().rsplit(|letter| !letters(letter)).next().unwrap_or_default();
                let after = line[at + 2..].trim_start().split(|letter| !letters(letter)).next().unwrap_or_default();
                if is_large(before) || is_large(after) {
                    findings.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn scripts_read_nothing_without_a_bound() {
    let forbidden = ["'KEYS'", "'FLUSHDB'", "'FLUSHALL'", "'SMEMBERS'", "'HGETALL'", "'HKEYS'", "'HVALS'", "cjson"];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".lua")) {
        for (number, line) in file.code().filter(|(_, line)| !line.trim_start().starts_with("--")) {
            // The key by which a job is limited may have to be read from its payload: here, and never written.
            let line = if file.path.ends_with("/keyed.lua") {
                line.replace("pcall(cjson.decode", "")
            } else {
                line.to_owned()
            };
            // Two hashes whose fields the engine itself names.
            let line = line.replace("'HGETALL', meta", "").replace("'HGETALL', config", "");
            // In small letters it may be a word of ours, such as the name of a key, unless it is called.
            let called = line.to_uppercase();
            if forbidden.iter().any(|word| line.contains(word) || called.contains(&format!("CALL({word}"))) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(&findings);
}

/// The packages that are built for this machine.
fn packages() -> Vec<serde_json::Value> {
    let version = Command::new(env!("CARGO")).args(["-vV"]).output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn licences_of_dependencies_allow_free_use() {
    let allowed = [
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "0BSD",
        "Unicode-3.0",
        "Unlicense",
        "CC0-1.0",
        "BSL-1.0",
        "MIT-0",
        "CDLA-Permissive-2.0",
    ];
    // Enough for the expressions in use: of an OR one part must be allowed, of an AND every part.
    let fits = |licence: &str| {
        let licence = licence.replace('/', " OR ").replace(['(', ')'], "");
        licence.split(" OR ").any(|part| part.split(" AND ").all(|one| allowed.contains(&one.trim())))
    };
    let foreign = packages().into_iter().filter(|package| !package["license"].as_str().is_some_and(fits));
    let named = foreign.map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]));
    none(&named.collect::<Vec<_>>());
}

/// The versions below which an advisory stands; a crate that is not used is fine.
#[test]
fn r65_dependencies_are_past_their_advisories() {
    let least: &[(&str, &[u64])] = &[
        ("anyhow", &[1, 0, 103]),
        ("h2", &[0, 4, 16]),
        ("time", &[0, 3, 47]),
        ("tokio-postgres", &[0, 7, 18]),
        ("rustls-webpki", &[0, 103, 13]),
        ("quick-xml", &[0, 41, 0]),
        ("zip", &[2, 3, 0]),
        ("lopdf", &[0, 42, 0]),
        ("lru", &[0, 18, 2]),
    ];
    // What no input reaches, by its one user: typst reads the citation styles that it ships, and our pages cite nothing.
    let unreached: &[(&str, &str, &str)] = &[("quick-xml", "0.38.4", "citationberg")];
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let is_unreached = |name: &str, version: &str| {
        let users = lock.split("[[package]]").filter(|package| package.contains(&format!("\"{name} {version}\"")));
        let names: Vec<_> = users.filter_map(|package| package.split('"').nth(1)).collect();
        unreached.iter().any(|(known, old, user)| (*known, *old) == (name, version) && names == [*user])
    };
    let mut findings = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let (name, version) = (field("name"), field("version"));
        let numbers: Vec<u64> = version.split(['.', '-', '+']).take(3).map_while(|part| part.parse().ok()).collect();
        if let Some((_, least)) = least.iter().find(|(known, _)| *known == name)
            && numbers.as_slice() < *least
            && !is_unreached(&name, &version)
        {
            findings.push(format!("{name} {version} is older than {least:?}"));
        }
        if ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "rsa"].contains(&name.as_str()) {
            findings.push(format!("{name} {version} must not be in the tree: ring is the one provider"));
        }
    }
    none(&findings);
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    for path in ["src/lib.rs", "src/bin/ireva-queue/main.rs"] {
        let text = fs::read_to_string(root().join(path)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{path}");
    }
}
