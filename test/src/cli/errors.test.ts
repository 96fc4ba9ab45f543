import { expect, test } from 'vitest';
import { CaptureError } from '../../../guests/capture/index.js';
import { TrafficError } from '../../../guests/traffic/index.js';
import manifest from '../../../package.json' with { type: 'json' };
import { InvariantViolation, ParameterError, UserError } from '../../../scheduler/errors.js';
import { UsageError } from '../../../src/cli/cli-io.js';
import { HardwareDataError } from '../../../src/experiments/iommu-hardware/hardware-data-error.js';
import { OutputFileError } from '../../../src/report/output-file-error.js';
import { ScenarioError } from '../../../src/scenario/scenario-error.js';
import { DumpError } from '../../../src/tables/dump.js';
import { invoke } from './invoke.js';

const fault = { file: 'a.pcap', offset: 0, packetNumber: 1, field: 'length', found: '3', expected: '4' };

test.for([
  new UsageError('x'),
  new ScenarioError('x'),
  new ParameterError('x'),
  new OutputFileError('out', 'x'),
  new DumpError('x'),
  new HardwareDataError('x'),
  new CaptureError(fault),
  new TrafficError('guest0', 'rate', 0, '1'),
])('$name is a user error by its class', (error) => {
  expect(error).toBeInstanceOf(UserError);
  expect(error).not.toBeInstanceOf(InvariantViolation);
  expect(error.name).toBe(error.constructor.name);
});

test('--version prints the version of package.json, and so does -V', async () => {
  for (const flag of ['--version', '-V']) {
    expect(await invoke(flag)).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
  }
});
