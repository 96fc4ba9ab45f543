import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabServer } from '../../../src/cli/lab-server.js';

let folder: string;
let server: LabServer;
let address: URL;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lab-server-'));
  mkdirSync(join(folder, 'lab', 'assets'), { recursive: true });
  writeFileSync(join(folder, 'lab', 'index.html'), '<!doctype html>page');
  writeFileSync(join(folder, 'lab', 'assets', 'index-1.js'), 'script');
  writeFileSync(join(folder, 'secret.html'), 'secret');
  server = new LabServer(join(folder, 'lab'));
  address = new URL(await server.listen(0));
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** A request whose path and host are sent as they are: `fetch` would mend both. */
function get(
  path: string,
  { host = address.host, method = 'GET' } = {},
): Promise<{ status: number; body: string; type: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: address.hostname, port: address.port, path, method, headers: { host } },
      (answer) => {
        let body = '';
        answer.on('data', (part) => {
          body += String(part);
        });
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body, type: answer.headers['content-type'] ?? '' }),
        );
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

describe('the server of the lab', () => {
  it('listens on loopback and serves the page and what lies beside it', async () => {
    expect(address.hostname).toBe('127.0.0.1');
    expect(await get('/')).toEqual({
      status: 200,
      body: '<!doctype html>page',
      type: 'text/html; charset=utf-8',
    });
    expect(await get('/assets/index-1.js')).toMatchObject({ status: 200, body: 'script' });
  });

  it('has nothing outside of its folder, whatever the path looks like', async () => {
    for (const path of [
      '/../secret.html',
      '/%2e%2e/secret.html',
      '//secret.html',
      '/assets/../../secret.html',
      '/assets',
      '/none.html',
    ]) {
      expect((await get(path)).status, path).toBe(404);
    }
  });

  it('refuses a host name that is not loopback, and methods that would change something', async () => {
    expect((await get('/', { host: 'evil.example' })).status).toBe(403);
    expect((await get('/', { method: 'POST' })).status).toBe(405);
  });

  it('names a port that is taken', async () => {
    const other = new LabServer(folder);
    await expect(other.listen(Number(address.port))).rejects.toThrow(
      `--port is ${address.port}, which is taken; expected another, or 0 for any that is free`,
    );
  });
});
