/**
 * @module machine/terminal-graphics
 * How images can be shown in this terminal, as far as its variables tell.
 */

import type { Environment } from "../hub/environment.ts";

/** kitty's and iTerm2's protocols, sixels, or two pixels in each character cell. */
export const graphicsProtocols = ["kitty", "iterm2", "sixel", "blocks"] as const;
export type GraphicsProtocol = (typeof graphicsProtocols)[number];

/** A terminal within tmux or screen gets none of the protocols through. */
export function terminalGraphics(env: Environment = process.env): GraphicsProtocol {
  const term = env["TERM"] ?? "";
  const program = env["TERM_PROGRAM"] ?? "";
  if (env["TMUX"] || env["STY"] || /^(tmux|screen)/.test(term)) return "blocks";
  if (env["KITTY_WINDOW_ID"] || /kitty|ghostty/.test(term) || program === "ghostty") return "kitty";
  if (["iTerm.app", "WezTerm", "vscode", "mintty"].includes(program)) return "iterm2";
  return /sixel|^foot|^mlterm|^contour|^yaft/.test(term) ? "sixel" : "blocks";
}
