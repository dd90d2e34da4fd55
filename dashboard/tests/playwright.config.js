// How Playwright runs the specs. `cargo test -p logway-tests dashboard` starts a real `logway up` and calls it with
//   LOGWAY_URL    where the dashboard is
//   LOGWAY_TOKEN  a token of `admin` for its org
//   LOGWAY_BIN, LOGWAY_DATA  the program and the data directory of that `up`, to run apps beside it (sample.js)
//   LOGWAY_SHOTS  the folder for screenshots; without it none are taken
//   LOGWAY_CHROMIUM  the browser [default: Debian's]
import path from 'node:path';
import os from 'node:os';
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: __dirname,
  outputDir: path.join(process.env.LOGWAY_SHOTS ?? os.tmpdir(), 'failed', process.env.LOGWAY_SPEC ?? 'by-hand'),
  globalSetup: './sample.js',
  workers: 1,
  fullyParallel: false,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    baseURL: process.env.LOGWAY_URL,
    viewport: { width: 1440, height: 900 },
    timezoneId: 'UTC',
    locale: 'en-GB',
    actionTimeout: 20_000,
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.LOGWAY_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
