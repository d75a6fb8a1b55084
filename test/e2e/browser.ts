import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { ensurePrerequisites } from '#lab/prerequisites';
import { findProgram } from '#lab/programs';

/** Debian's, speaking to nobody by itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What the page's policy refuses is an error in its console. */
const REPORT_REFUSALS =
  "addEventListener('securitypolicyviolation', (event) => console.error('refused: ' + event.violatedDirective))";

/** A real Chromium, for the tests of one file. */
export async function startBrowser(): Promise<Browser> {
  await ensurePrerequisites({ chromium: 'chromium' });
  return chromium.launch({ executablePath: (await findProgram('chromium')) ?? 'chromium', args: FLAGS });
}

/** A page that is watched for everything that should not happen. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors in its console, exceptions, refused contents and requests to elsewhere. */
  readonly troubles: readonly string[];
  /** Every byte that it was served, as text; what streams is not among it. */
  served(): Promise<string>;
}

/** Opens a page of a module. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1080, height: 900 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const troubles: string[] = [];
  const bodies: Promise<string>[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin)) troubles.push(`asked for ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.url().includes('/events')) return;
    const headers = JSON.stringify(response.headers());
    bodies.push(
      response.text().then(
        (text) => headers + text,
        () => headers,
      ),
    );
  });
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(REPORT_REFUSALS);
  }
  await page.goto(url);
  return { page, troubles, served: async () => (await Promise.all(bodies)).join('\n') };
}

/** What axe finds at fault, a line each. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
  );
}

/** Waits until an element has a text that fits. */
export async function waitForText(page: Page, selector: string, text: RegExp): Promise<void> {
  await expect
    .poll(() => page.locator(selector).innerText(), { timeout: 30_000, interval: 50 })
    .toMatch(text);
}

/** Keeps a picture of a page in the folder that the variable SCREENSHOTS names; without one it does nothing. */
export async function takePicture(page: Page, name: string, fullPage = true): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
}
