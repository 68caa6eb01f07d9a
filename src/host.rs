//! The name of this machine.

/// The name of this host as workers give it: letters, digits, dots, dashes and underscores, at most 64 of them.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).take(64).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}
