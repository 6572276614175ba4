/** The site of these pages: `npm run docs:build` in the repository's root, which also ends at a dead link. */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";

const guide = [
  ["Installation", "installation"],
  ["First steps", "first-steps"],
  ["Models", "models"],
  ["Memory", "memory"],
  ["Speed", "performance"],
  ["GPU providers", "providers"],
  ["Colab", "colab"],
  ["Editing images", "editing"],
  ["Style transfer", "style"],
  ["Upscaling", "upscale"],
  ["ESRGAN", "esrgan"],
  ["Sheets", "grid"],
  ["Sampling", "sampling"],
  ["LoRA", "lora"],
  ["Steps and stages", "steps"],
  ["Embeddings", "embeddings"],
  ["What an image says", "metadata"],
  ["Batches", "batch"],
  ["Several machines", "scale"],
  ["Library", "library"],
  ["Scripts", "scripts"],
  ["Reliability", "reliability"],
  ["Troubleshooting", "troubleshooting"],
  ["Questions", "faq"],
];

/** Those that draw first; the others as they are found. */
const drawing = ["txt2img", "img2img", "inpaint", "style", "upscale", "batch", "plan"];
const found = readdirSync(new URL("../commands", import.meta.url)).map((name) => name.slice(0, -".md".length));
const others = found.filter((name) => name !== "index" && !drawing.includes(name)).sort();

const notebooks = [
  ["Lowering graphs", "lowering"],
  ["Memory, measured", "notebook/memory"],
  ["CPU, measured", "notebook/performance"],
  ["CUDA, measured", "notebook/cuda"],
  ["webgpu, measured", "notebook/webgpu"],
];

const items = (pages: readonly (readonly string[])[]) => pages.map(([text, page]) => ({ text, link: `/${page}` }));

export default defineConfig({
  title: "if-gen",
  description: "Text-to-image with DeepFloyd IF from a terminal",
  cleanUrls: true,
  vite: { publicDir: fileURLToPath(new URL("../images", import.meta.url)) }, // for the front page's image
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    nav: [
      { text: "First steps", link: "/first-steps" },
      { text: "Commands", link: "/commands/" },
      { text: "Troubleshooting", link: "/troubleshooting" },
    ],
    sidebar: [
      { text: "Guide", items: items(guide) },
      {
        text: "Commands",
        link: "/commands/",
        items: items([...drawing, ...others].map((name) => [name, `commands/${name}`])),
      },
      { text: "How it was measured", collapsed: true, items: items(notebooks) },
    ],
  },
  markdown: {
    config(md) {
      // what lies beside docs/ in the repository is not on the site: its name is shown, without a link
      md.core.ruler.push("outside", ({ tokens, env }) => {
        for (const { children } of tokens) {
          const links: boolean[] = [];
          for (const token of children ?? []) {
            if (token.type === "link_open") {
              links.push(leavesSite(token.attrGet("href") ?? "", env.relativePath ?? ""));
              if (links.at(-1)) token.tag = "span";
              if (links.at(-1)) token.attrs = null;
            } else if (token.type === "text" && links.length > 0) {
              token.content = token.content.replace(/^[\w/-]+\.md$/, (name) => name.slice(0, -".md".length));
            } else if (token.type === "link_close" && links.pop()) token.tag = "span";
          }
        }
      });
    },
  },
});

function leavesSite(href: string, page: string): boolean {
  if (/^[a-z]+:|^[/#]/.test(href)) return false;
  const path = new URL(href, `https://site/docs/${page}`).pathname;
  return !path.startsWith("/docs/") || path.endsWith(".ipynb");
}
