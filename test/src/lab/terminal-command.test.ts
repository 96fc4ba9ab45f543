import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { terminalCommand } from '../../../src/lab/terminal-command.js';
import { invoke } from '../cli/invoke.js';
import { LabClient } from './lab-client.js';
import { defaultPlan } from './straight.js';

describe('"run this in a terminal"', () => {
  it.each(['cdna', 'iommu:deferred', 'driver-domain'])(
    'gives under %s the fingerprint that the lab shows',
    async (approach) => {
      const plan = { ...defaultPlan, approach, discipline: 'sfq', seed: 5 };
      const client = new LabClient();
      client.open(plan);
      client.ask({ kind: 'step', unit: 'frame' });
      client.settle();
      // To the end of the nanosecond, as the page does before it shows the command.
      client.ask({ kind: 'go', to: { atNs: client.state().position.atNs, events: Number.MAX_SAFE_INTEGER } });
      const { position, machines } = client.settle();
      const { json, file, words } = terminalCommand(plan, position.atNs);
      const folder = mkdtempSync(join(tmpdir(), 'lab-terminal-'));
      try {
        writeFileSync(join(folder, file), json);
        const { out } = await invoke(
          ...words.map((word) => (word === file ? join(folder, file) : word)),
          '--json',
        );
        const document = JSON.parse(out) as { runs: { fingerprint: string; durationNs: number }[] };
        expect(document.runs[0]?.durationNs).toBe(position.atNs);
        expect(document.runs[0]?.fingerprint).toBe(machines[0]?.fingerprint);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('is a here document and one command, and nothing in a scenario ends the document early', () => {
    const scenario = { ...defaultPlan.scenario, name: "it's CDNA_NIC_LAB $(rm -rf /) `x`" };
    const { text } = terminalCommand({ ...defaultPlan, scenario }, 1000);
    const lines = text.split('\n');
    expect(lines[0]).toBe("cat > lab.json <<'CDNA_NIC_LAB'");
    expect(lines.filter((line) => line === 'CDNA_NIC_LAB')).toHaveLength(1);
    expect(lines.at(-2)).toBe(
      'npx cdna-nic run lab.json --protection cdna --discipline drr --seed 1 --warm-up 0 --duration 1000ns',
    );
  });
});
