//! Makes functions of the code blocks of the pages and of the examples, for tests to run.

use std::fmt::Write;
use std::{env, fs, path::Path};

const PAGES: [&str; 2] = ["README.md", "docs/other-loggers.md"];
/// The others start processes of their own, and are run as programs.
const EXAMPLES: [&str; 5] = ["basic", "json", "non_blocking", "on_switch", "with_stdout"];

fn main() {
    let root = Path::new("..");
    let read = |path: &str| {
        println!("cargo::rerun-if-changed=../{path}");
        fs::read_to_string(root.join(path)).unwrap()
    };
    let mut programs = String::new();
    let mut names = Vec::new();
    for page in PAGES {
        let text = read(page);
        let blocks = text.split("\n```rust\n").skip(1);
        for (n, block) in blocks.enumerate() {
            let code = block.split("\n```\n").next().unwrap();
            let name = format!("{page} {}", n + 1).replace(|c: char| !c.is_alphanumeric(), "_");
            let name = name.to_lowercase();
            write!(
                programs,
                "mod {name} {{\n{code}\npub(super) fn run() {{ main().unwrap(); }}\n}}\n"
            )
            .unwrap();
            names.push((name, page.to_owned()));
        }
    }
    for example in EXAMPLES {
        let path = format!("examples/{example}.rs");
        let text = read(&path);
        // Only the top of a file may have these.
        let code: String = text
            .lines()
            .filter(|line| !line.starts_with("//!"))
            .map(|line| format!("{line}\n"))
            .collect();
        // Its events have the path of the module as their target.
        let code = code.replace(&format!("\"{example}=info\""), "\"programs=info\"");
        let name = format!("example_{example}");
        // The directory that they make is to stay until the test has read what is in it.
        write!(programs, "mod {name} {{\nuse crate::kept as tempfile;\n{code}\npub(super) fn run() {{ main().unwrap(); }}\n}}\n").unwrap();
        names.push((name, path));
    }
    programs.push_str("const PROGRAMS: &[(&str, &str, fn())] = &[\n");
    for (name, from) in names {
        writeln!(programs, "({name:?}, {from:?}, {name}::run),").unwrap();
    }
    programs.push_str("];\n");
    let out = Path::new(&env::var_os("OUT_DIR").unwrap()).join("programs.rs");
    fs::write(out, programs).unwrap();
}
