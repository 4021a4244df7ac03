'use strict';

// CommonJS, as it has to find files: an ES module knows where it is by import.meta alone, which Jest in a CommonJS
// application can't run.
const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

/** The parts of the page's script, each behind those that it imports. */
const PARTS = ['elements', 'format', 'history', 'chart', 'connections', 'pool-card', 'main'];

/**
 * A file of uPlot, which who has no dashboard need not have.
 * @param {string} name
 */
function readOfUPlot(name) {
  try {
    return readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
  } catch (cause) {
    throw new Error('NpwsDashboardModule draws its charts with uPlot, which is missing: npm install uplot', {
      cause,
    });
  }
}

/** @param {string} name */
function read(name) {
  return readFileSync(join(__dirname, 'page', name), 'utf8');
}

/**
 * Joins the parts to one script: each becomes a function that returns what it exports.
 */
function joinParts() {
  const parts = PARTS.map((name) => {
    /** @type {string[]} */
    const exported = [];
    const source = read(`${name}.js`)
      .replace(/^import \* as (\w+) from '\.\/([\w-]+)\.js';$/gm, "const $1 = parts['$2'];")
      .replace(/^import (\{[^}]*\}) from '\.\/([\w-]+)\.js';$/gm, "const $1 = parts['$2'];")
      .replace(/^export (function|class|const) (\w+)/gm, (_, kind, id) => {
        exported.push(id);
        return `${kind} ${id}`;
      });
    return `parts['${name}'] = (() => {\n${source}\nreturn { ${exported.join(', ')} };\n})();`;
  });
  return `'use strict';\nconst parts = {};\n${parts.join('\n')}`;
}

/** @param {string} text */
function sourceOf(text) {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/**
 * Makes the page: one document that loads nothing but its feed, and the policy that keeps it so. Throws when uPlot is
 * not installed.
 *
 * @param {string} feed Where the numbers come from: the path of a WebSocket.
 */
exports.createPage = (feed) => {
  const uPlot = readOfUPlot('uPlot.iife.min.js');
  const style = readOfUPlot('uPlot.min.css') + read('page.css');
  // An IIFE's `var` is a global only in a script of its own.
  const script = `{\n${joinParts()}\n}`;
  const html = read('page.html')
    .replace('{{feed}}', () => feed)
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- scripts -->', () => `<script>${uPlot}</script>\n<script>${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src ${sourceOf(uPlot)} ${sourceOf(script)}`,
    `style-src ${sourceOf(style)}`,
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return { html, policy };
};
