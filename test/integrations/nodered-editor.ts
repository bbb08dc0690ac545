import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { findTool } from '../harness/tools.ts';

/** The editor of a running Node-RED in a real browser. */
export interface Editor extends AsyncDisposable {
  /** What its scripts threw. */
  readonly faults: readonly string[];
  paletteLabel(type: string): Promise<string>;
  /** The help text of a node, as its sidebar has it. */
  help(type: string): Promise<string>;
  /** Clicks the button of the inject node of this name. */
  press(name: string): Promise<void>;
  /** The first message of a debug node in the sidebar. */
  debugged(name: string): Promise<string>;
  /** Opens the first node of a type, takes a flow from the dropdown; gives the field's new value. */
  choose(type: string, flow: string): Promise<string>;
  /** Closes the dialog and draws the page: into the folder, where there is one. */
  picture(folder: string | undefined): Promise<void>;
}

/** A picture in the docs is as wide as a page. */
const SIZE = { width: 1200, height: 520 };

/** Opens the editor in Chromium; fails where that is not installed. */
export async function openEditor(url: string): Promise<Editor> {
  const executablePath = findTool('chromium');
  if (executablePath === undefined) throw new Error('chromium is not installed');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: SIZE });
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(url);
  await page.locator('.red-ui-flow-node').first().waitFor();
  await page.locator('#red-ui-palette-search input').pressSequentially('ledge');
  await page
    .locator('.red-ui-palette-node[data-palette-type="inject"]')
    .waitFor({ state: 'hidden' });

  const entry = (type: string) => page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
  const first = (type: string) => `RED.nodes.filterNodes({ type: '${type}' })[0]`;

  return {
    faults,
    async paletteLabel(type) {
      const label = await entry(type).locator('.red-ui-palette-label').textContent();
      return (label ?? '').replaceAll(/\s+/g, ' ').trim();
    },
    help: (type) => page.evaluate(`RED.nodes.getNodeHelp('${type}')`),
    async press(name) {
      const node = page.locator('.red-ui-flow-node-group', { hasText: name }).first();
      await node.locator('.red-ui-flow-node-button-button').click();
    },
    async debugged(name) {
      await page.evaluate(`RED.sidebar.show('debug')`);
      const message = page.locator('.red-ui-debug-msg', { hasText: name }).first();
      return (await message.textContent()) ?? '';
    },
    async choose(type, flow) {
      await page.evaluate(`RED.editor.edit(${first(type)})`);
      await page.locator('#node-input-flow + a').click();
      const menu = page.locator('.red-ui-autoComplete-container');
      await menu.getByText(flow, { exact: true }).click();
      return page.locator('#node-input-flow').inputValue();
    },
    async picture(folder) {
      await page.locator('#node-dialog-cancel').click();
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      await page.evaluate(`RED.view.select({ nodes: [${first('ledge-control')}] })`);
      await page.evaluate(`RED.sidebar.help.show('ledge-control')`);
      const path = folder === undefined ? {} : { path: join(folder, 'node-red.png') };
      await page.locator('.red-ui-notification').waitFor({ state: 'detached' });
      await page.screenshot(path);
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
    },
  };
}
