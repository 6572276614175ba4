/**
 * @module cli/completion-scripts
 * Commands as data -> a completion script. Each finds the command that was typed so far (" models pull"), looks whether the
 * word before takes a value, and else offers the command's subcommands and options.
 */

import type { CommandWords, OptionWords } from "./describe-program.ts";

/** `""` for the program itself, `" models pull"`. */
const placeOf = ({ path }: Pick<CommandWords, "path">): string => path.map((name) => ` ${name}`).join("");

const places = (commands: readonly CommandWords[]): string[] => commands.map(placeOf).filter((place) => place !== "");

/** One line of a description. */
const brief = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

const wordsAt = ({ options, subcommands }: CommandWords): string[] => [
  ...subcommands.map(({ name }) => name),
  ...options.flatMap(({ names }) => names),
];

/** Options that take a value, with the place and the names that stand before it. */
const valued = (commands: readonly CommandWords[]): { readonly patterns: string[]; readonly option: OptionWords }[] =>
  commands.flatMap((command) =>
    command.options
      .filter(({ value }) => value !== "none")
      .map((option) => ({ patterns: option.names.map((name) => `${placeOf(command)} ${name}`), option })),
  );

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

export function bashScript(commands: readonly CommandWords[]): string {
  const choices = valued(commands).map(({ patterns, option: { value, words } }) => {
    const offer = `COMPREPLY=($(compgen -W ${quoted(words.join(" "))} -- "$cur"))`;
    const files = value === "file" ? `; COMPREPLY+=($(compgen -f -- "$cur"))` : "";
    return `    ${patterns.map(quoted).join("|")}) ${words.length > 0 ? offer : "COMPREPLY=()"}${files}; return;;`;
  });
  const offers = commands.map(
    (command) => `    ${quoted(placeOf(command))}) offer=${quoted(wordsAt(command).join(" "))};;`,
  );
  return `# bash completion of if-gen
_if_gen() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" place="" offer="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place \${COMP_WORDS[i]}" in
    ${places(commands).map(quoted).join("|")}) place="$place \${COMP_WORDS[i]}";;
    esac
  done
  case "$place $prev" in
${choices.join("\n")}
  esac
  case "$place" in
${offers.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offer" -- "$cur"))
}
complete -o default -F _if_gen if-gen
`;
}

export function zshScript(commands: readonly CommandWords[]): string {
  const escape = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
  const item = (name: string, description: string): string => quoted(`${escape(name)}:${brief(description)}`);
  const choices = valued(commands).map(({ patterns, option: { value, words } }) => {
    const offer = words.length > 0 ? `compadd -- ${words.map(quoted).join(" ")}; ` : "";
    return `    (${patterns.map(quoted).join("|")}) ${offer}${value === "file" ? "_files; " : ""}return;;`;
  });
  const items = commands.map((command) => {
    const subcommands = command.subcommands.map(({ name, description }) => item(name, description));
    const options = command.options.flatMap(({ names, description }) => names.map((name) => item(name, description)));
    return `    (${quoted(placeOf(command))}) commands=(${subcommands.join(" ")}); options=(${options.join(" ")});;`;
  });
  return `#compdef if-gen
_if_gen() {
  local place="" word
  local -a commands options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place $word" in
    (${places(commands).map(quoted).join("|")}) place="$place $word";;
    esac
  done
  case "$place \${words[CURRENT-1]}" in
${choices.join("\n")}
  esac
  case "$place" in
${items.join("\n")}
  esac
  (( $#commands )) && _describe command commands
  _describe -o option options
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _if_gen "$@"; else compdef _if_gen if-gen; fi
`;
}

export function fishScript(commands: readonly CommandWords[]): string {
  const escape = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const here = `complete -c if-gen -n ${escape(`__if_gen_at "${placeOf(command)}"`)}`;
    return [
      ...command.subcommands.map(
        ({ name, description }) => `${here} -f -a ${escape(name)} -d ${escape(brief(description))}`,
      ),
      ...command.options.map(({ names, description, value, words }) => {
        const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
        const takes = { none: "-f", text: "-x", words: "-x", file: "-r -F" }[value];
        const offer = words.length > 0 ? ` -a ${escape(words.join(" "))}` : "";
        return `${here} ${flags.join(" ")} ${takes}${offer} -d ${escape(brief(description))}`;
      }),
    ];
  });
  return `# fish completion of if-gen
function __if_gen_at
  set -l place ""
  for word in (commandline -opc)[2..-1]
    switch "$place $word"
      case ${places(commands).map(escape).join(" ")}
        set place "$place $word"
    end
  end
  test "$place" = "$argv[1]"
end
${lines.join("\n")}
`;
}

export function powershellScript(commands: readonly CommandWords[]): string {
  const escape = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const table = commands.map((command) => {
    const items = [
      ...command.subcommands.map(({ name, description }) => [name, description] as const),
      ...command.options.flatMap(({ names, description }) => names.map((name) => [name, description] as const)),
    ];
    const entries = items.map(([name, description]) => `@(${escape(name)}, ${escape(brief(description))})`);
    return `    ${escape(placeOf(command))} = @(${entries.join(", ")})`;
  });
  const choices = valued(commands).flatMap(({ patterns, option: { words } }) =>
    patterns.map((pattern) => `    ${escape(pattern)} = @(${words.map(escape).join(", ")})`),
  );
  return `# PowerShell completion of if-gen
Register-ArgumentCompleter -Native -CommandName if-gen -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $offers = @{
${table.join("\n")}
  }
  $values = @{
${choices.join("\n")}
  }
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($wordToComplete -ne '') { $words = @($words | Select-Object -SkipLast 1) }
  $place = ''
  foreach ($word in $words) { if ($offers.ContainsKey("$place $word")) { $place = "$place $word" } }
  $last = if ($words.Count -gt 0) { $words[-1] } else { '' }
  if ($values.ContainsKey("$place $last")) {
    $values["$place $last"] | Where-Object { $_ -like "$wordToComplete*" } |
      ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
    return
  }
  $offers[$place] | Where-Object { $_[0] -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1]) }
}
`;
}
