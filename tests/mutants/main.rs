//! The mutants are kept in step with the code: each says what it breaks and still fits. `make mutants` shows that the
//! suite notices them.

#![allow(missing_docs, reason = "tests say what they check in their names")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn patches() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/mutants")).unwrap();
    let mut patches: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    assert!(patches.len() >= 20, "the patches are where they are looked for");
    patches
}

#[test]
fn each_patch_says_what_it_breaks_which_promise_that_is_and_who_is_to_notice() {
    for path in patches() {
        let text = fs::read_to_string(&path).unwrap();
        for (line, field) in text.lines().zip(["breaks", "promise", "tests"]) {
            let said = line.strip_prefix(field).and_then(|rest| rest.strip_prefix(": "));
            assert!(said.is_some_and(|said| !said.is_empty()), "{}: {line:?} is not `{field}: …`", path.display());
        }
        // What is mutated is the product, never what tests it.
        let targets: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("+++ b/")).collect();
        assert!(!targets.is_empty(), "{}: changes nothing", path.display());
        assert!(targets.iter().all(|target| target.starts_with("src/")), "{}: {targets:?}", path.display());
    }
}

#[test]
fn each_patch_still_fits() {
    let stale = patches().into_iter().filter_map(|path| {
        let check = Command::new("git").args(["apply", "--check"]).arg(&path).current_dir(root()).output();
        let check = check.expect("git is installed");
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        (!check.status.success()).then(|| format!("{}: {said}", path.file_name().unwrap().display()))
    });
    assert_eq!(stale.collect::<Vec<_>>(), Vec::<String>::new(), "the code has moved: write the patch anew");
}
