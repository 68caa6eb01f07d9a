//! The completions and manual pages in the repository are those that the binary makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::*;

const SHELLS: [(&str, &str); 5] = [
    ("bash", "ireva-queue.bash"),
    ("elvish", "ireva-queue.elv"),
    ("fish", "ireva-queue.fish"),
    ("powershell", "_ireva-queue.ps1"),
    ("zsh", "_ireva-queue"),
];

fn repository(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let read = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

#[track_caller]
fn assert_same(kept: &BTreeMap<String, String>, made: &BTreeMap<String, String>, how: &str) {
    assert!(kept.keys().eq(made.keys()), "{:?} are not {:?}: {how}", kept.keys(), made.keys());
    for (name, text) in made {
        assert!(kept[name] == *text, "{name} is out of date: {how}");
    }
}

#[test]
fn the_completions_are_those_of_the_binary() {
    let cli = Cli::bare();
    let made = SHELLS.iter().map(|(shell, file)| ((*file).to_owned(), cli.ok(["completions", shell]))).collect();
    assert_same(&files(&repository("completions")), &made, "run make man completions");
}

#[test]
fn the_manual_pages_are_those_of_the_binary() {
    let cli = Cli::bare();
    let dir = cli.home().join("man");
    cli.run(["man", dir.to_str().unwrap()]).expect(0);
    let made = files(&dir);
    assert_same(&files(&repository("man")), &made, "run make man completions");
    assert_eq!(cli.ok(["man"]), made["ireva-queue.1"]);
}

#[test]
fn the_readme_names_every_variable_and_exit_code() {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    for variable in ireva_queue::config::VARIABLES {
        let default = if variable.default.contains(' ') || variable.default.is_empty() {
            variable.default.to_owned()
        } else {
            format!("`{}`", variable.default)
        };
        let secret = if variable.secret { " (secret)" } else { "" };
        let row = format!("| `{}` | {default} | {}{secret} |", variable.name, variable.meaning);
        assert!(readme.contains(&row), "README.md lacks {row}");
    }
    for code in [0, 1, 2, 3, 4, 5, 10, 69, 75, 77, 78, 124, 130] {
        assert!(readme.contains(&format!("| {code} | ")), "README.md lacks exit code {code}");
    }
}

#[test]
fn bash_takes_the_completions() {
    let script = Cli::bare().ok(["completions", "bash"]);
    let checked = std::process::Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(checked.success());
    let ask = r#"
        eval "$1"
        COMP_WORDS=(ireva-queue dlq re); COMP_CWORD=2; COMP_LINE='ireva-queue dlq re'; COMP_POINT=18
        _ireva_queue
        echo "${COMPREPLY[@]}""#;
    let own = std::path::Path::new(env!("CARGO_BIN_EXE_ireva-queue")).parent().unwrap();
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    let mut bash = std::process::Command::new("bash");
    let asked = bash.args(["-c", ask, "bash", &script]).env("PATH", path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), "retry", "below the first level too");
}
