// Bundles src/main.ts into ../viewer.js and src/style/page.css into ../viewer.css; with --tests, test/*.test.ts into build/.
import { build } from "esbuild";
import { readdirSync, rmSync } from "node:fs";

const tests = process.argv.includes("--tests");
const common = { bundle: true, charset: "utf8", legalComments: "none", logLevel: "warning" };

if (tests) {
  const entryPoints = readdirSync("test")
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`);
  rmSync("build", { recursive: true, force: true }); // a test that was renamed would still be run
  const loader = { ".json": "json" };
  await build({ ...common, entryPoints, loader, outdir: "build", outExtension: { ".js": ".mjs" }, platform: "node", format: "esm" });
} else {
  await build({ ...common, entryPoints: ["src/main.ts"], outfile: "../viewer.js", minify: true, format: "iife", target: "es2022" });
  await build({ ...common, entryPoints: ["src/style/page.css"], outfile: "../viewer.css", minify: true });
}
