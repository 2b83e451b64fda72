//! What a real bash offers for words of `cargo xtask`.

use crate::text;
use std::process::Command;
use xtask::root;

/// What bash offers for the last of these words, as its readline splits them.
fn offered(words: &[&str]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    // What readline sets before it calls the function; a lone sign is an empty word to it.
    let script = format!(
        "set -e; source <({} completions bash --name xtask)
         COMP_WORDS=(xtask {}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMP_TYPE=9
         current=${{COMP_WORDS[COMP_CWORD]}}; if [[ $current == '=' ]]; then current=; fi
         _clap_complete_xtask xtask \"$current\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
         IFS=$'\\v'; printf '%s\\n' ${{COMPREPLY[*]}}",
        env!("CARGO_BIN_EXE_xtask"),
        words.join(" ")
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(root());
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_options_and_their_values() {
    assert_eq!(offered(&["run", "strat"]), ["strategy="]);
    assert_eq!(offered(&["run", "strategy", "=", "par"]), ["parallel-sipi", "parallel-callin"]);
    assert!(offered(&["run", "strategy", "="]).contains(&"serial".to_owned()));
    assert_eq!(offered(&["options", "cost-call"]), ["cost-callin"]);
}

#[test]
fn bash_offers_engines_stages_and_scenarios() {
    assert_eq!(offered(&["run", "--engine", "i"]), ["icount"]);
    assert_eq!(offered(&["test", "kernel-"]), ["kernel-long"]);
    let scenarios = offered(&["matrix", "haswell-28-"]);
    assert_eq!(scenarios, ["haswell-28-serial"]);
}
