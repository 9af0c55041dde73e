#!/usr/bin/env python3
"""Writes the man pages and the shell completions of quern from what the binary says of itself.

    scripts/manuals.py --quern .build/release/quern --into ~/.local/share

makes man/man1/quern.1 and one page per command, bash-completion/completions/quern, zsh/site-functions/_quern and
fish/vendor_completions.d/quern.fish below the folder, where man and the shells look. Nothing of it is kept in the
repository: it is true to --help because it is made of it.
"""
import argparse
import json
import pathlib
import re
import subprocess

SHELLS = {
    "bash": "bash-completion/completions/quern",
    "zsh": "zsh/site-functions/_quern",
    "fish": "fish/vendor_completions.d/quern.fish",
}


def roff(text):
    """Text that troff prints as it is: no escapes, no requests, hyphens that can be copied, ASCII only."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"[^\x00-\x7f]", lambda match: f"\\[u{ord(match[0]):04X}]", text)
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def discussion(text):
    """Paragraphs are filled; indented lines, which are examples and lists, keep their shape."""
    lines, out, is_kept = text.splitlines(), [], False
    for line in lines:
        keeps = line.startswith("  ")
        if keeps != is_kept:
            out.append(".nf\n.RS 2" if keeps else ".RE\n.fi")
            is_kept = keeps
        if not line.strip():
            out.append(".PP")
        elif re.fullmatch(r"\w[\w ]*:", line):
            out.append(".PP\n.B " + roff(line))
        else:
            out.append(roff(line.strip() if keeps else line))
    return "\n".join(out + [".RE\n.fi"] if is_kept else out)


def flag(name):
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def label(argument):
    if argument["kind"] == "positional":
        return f"\\fI{roff(argument['valueName'])}\\fR"
    names = sorted(argument["names"], key=lambda name: name["kind"] != "short")
    text = ", ".join(f"\\fB{roff(flag(name))}\\fR" for name in names)
    return text + (f" \\fI{roff(argument['valueName'])}\\fR" if argument["kind"] == "option" else "")


def entry(argument):
    text = argument.get("abstract", "")
    if argument.get("defaultValue") and argument["kind"] != "flag":
        text += f" (default: {argument['defaultValue']})"
    return f".TP\n{label(argument)}\n{roff(text)}"


def page(command, path, version):
    shown = [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True)]
    subcommands = [sub for sub in command.get("subcommands", []) if sub["commandName"] != "help"]
    positional = [argument for argument in shown if argument["kind"] == "positional"]
    synopsis = " ".join(path) + (" \\fIcommand\\fR" if subcommands else "") + " [options]"
    for argument in positional:
        name = f"\\fI{argument['valueName']}\\fR"
        synopsis += f" [{name}]" if argument["isOptional"] else f" {name}"
    parts = [
        f'.TH {"-".join(path).upper()} 1 "" "quern {version}" "User Commands"',
        f".SH NAME\n{roff('-'.join(path))} \\- {roff(command['abstract'].rstrip('.'))}",
        f".SH SYNOPSIS\n.B {synopsis}",
        f".SH DESCRIPTION\n{discussion(command.get('discussion', ''))}",
    ]
    if subcommands:
        entries = [f".TP\n\\fB{sub['commandName']}\\fR\n{roff(sub['abstract'])} "
                   f"See \\fB{roff('-'.join(path + [sub['commandName']]))}\\fR(1)." for sub in subcommands]
        parts.append(".SH COMMANDS\n" + "\n".join(entries))
    sections = {}
    for argument in shown:
        title = argument.get("sectionTitle") or ("Arguments" if argument["kind"] == "positional" else "Options")
        sections.setdefault(title, []).append(entry(argument))
    for title, entries in sections.items():
        parts.append(f".SH {roff(title.upper())}\n" + "\n".join(entries))
    if len(path) > 1:
        parts.append(f".SH SEE ALSO\n.BR {path[0]} (1)")
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quern", default="quern", help="the binary")
    parser.add_argument("--into", required=True, type=pathlib.Path, metavar="FOLDER", help="such as ~/.local/share or /usr/share")
    arguments = parser.parse_args()

    def ask(*words):
        return subprocess.run([arguments.quern, *words], check=True, capture_output=True, text=True).stdout
    root = json.loads(ask("--experimental-dump-help"))["command"]
    version = ask("--version").strip()
    pages = [(root, [root["commandName"]])]
    pages += [(sub, [root["commandName"], sub["commandName"]]) for sub in root["subcommands"] if sub["commandName"] != "help"]
    pages += [(sub, path + [sub["commandName"]]) for command, path in pages[1:] for sub in command.get("subcommands", [])
              if sub["commandName"] != "help"]
    for command, path in pages:
        write(arguments.into / "man/man1" / f"{'-'.join(path)}.1", page(command, path, version))
    for shell, path in SHELLS.items():
        write(arguments.into / path, ask("--generate-completion-script", shell))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
