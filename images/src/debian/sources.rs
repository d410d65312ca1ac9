//! Debian mirrors from this machine's apt sources.

use std::fs;
use std::path::Path;

/// Suites of the main archive, by code name and by alias.
const SUITES: [&str; 10] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Returns URIs of Debian mirrors in the order to try, from the apt sources below
/// `etc_apt`.
///
/// Empty when there is no usable source. A third-party source that looks like Debian's is harmless:
/// its signature is not valid with Debian's keys, and the next source is tried.
pub fn mirrors(etc_apt: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        let mut parts: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => one_line(&text, &mut found),
            Some("sources") => deb822(&text, &mut found),
            _ => {}
        }
    }
    let mut unique = Vec::new();
    for uri in found {
        if !unique.contains(&uri) {
            unique.push(uri);
        }
    }
    // sources of other projects often use Debian's suite names; Debian's archive is in a directory
    // named "debian"
    unique.sort_by_key(|uri| !uri.ends_with("/debian"));
    unique
}

/// One-line style, sources.list(5): `deb [option=value ...] URI SUITE COMPONENT...`.
fn one_line(text: &str, found: &mut Vec<String>) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line
            .strip_prefix("deb")
            .filter(|r| r.starts_with(|c: char| c.is_whitespace()) || r.starts_with('['))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, after)| after),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            let components: Vec<_> = words.collect();
            consider(&[uri], &[suite], &components, found);
        }
    }
}

/// deb822 style, sources.list(5): stanzas of `Field: values`, continuation lines indented.
fn deb822(text: &str, found: &mut Vec<String>) {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            let get = |name: &str| -> Vec<&str> {
                fields
                    .iter()
                    .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                    .flat_map(|(_, v)| v.split_whitespace())
                    .collect()
            };
            let enabled = !get("Enabled")
                .iter()
                .any(|v| ["no", "false", "0"].contains(v));
            if enabled && get("Types").contains(&"deb") {
                consider(&get("URIs"), &get("Suites"), &get("Components"), found);
            }
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

fn consider(uris: &[&str], suites: &[&str], components: &[&str], found: &mut Vec<String>) {
    let debian = suites.iter().any(|suite| {
        let base = suite.strip_suffix("-updates").unwrap_or(suite);
        SUITES.contains(&base)
    });
    if !debian || !components.contains(&"main") {
        return;
    }
    for uri in uris {
        // a quote would end the value in apt's configuration; cdrom: has no other suite
        if uri.contains(':') && !uri.starts_with("cdrom:") && !uri.contains('"') {
            found.push(uri.trim_end_matches('/').to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &str, sources: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sources.list"), list).unwrap();
        let parts = dir.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        fs::write(parts.join("debian.sources"), sources).unwrap();
        fs::write(
            parts.join("other.sources.disabled"),
            "Types: deb\nURIs: http://no/debian\n",
        )
        .unwrap();
        mirrors(dir.path())
    }

    #[test]
    fn one_line_style() {
        let list = "# deb http://commented/debian bookworm main\n\
            deb-src http://source/debian bookworm main\n\
            deb cdrom:[Debian 12]/ bookworm main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://other/tool stable main\n\
            deb http://security/debian-security bookworm-security main\n\
            deb [arch=amd64] https://mirror.example/debian/ bookworm main contrib # note\n\
            deb https://mirror.example/debian bookworm-updates main\n";
        assert_eq!(
            of(list, ""),
            ["https://mirror.example/debian", "http://other/tool"]
        );
    }

    #[test]
    fn deb822_style() {
        let sources = "Types: deb deb-src\n# a comment\nURIs: http://a.example/debian\n http://b.example/debian\n\
            Suites: trixie\n trixie-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://off/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n\
            Types: deb-src\nURIs: http://src/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb\nURIs: http://sec/debian-security\nSuites: trixie-security\nComponents: main";
        assert_eq!(
            of("", sources),
            ["http://a.example/debian", "http://b.example/debian"]
        );
    }

    #[test]
    fn unusable_sources_give_no_mirrors() {
        assert!(of("deb file", "Types deb").is_empty());
        assert!(mirrors(Path::new("/nonexistent")).is_empty());
    }
}
