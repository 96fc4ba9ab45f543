import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { calibrationPage } from './document.js';
import { measureSensitivity } from './sensitivity.js';

// Writes docs/calibration.md, wherever it is started from. It takes some minutes: every parameter is tried.
const path = fileURLToPath(new URL('../../docs/calibration.md', import.meta.url));
const sensitivity = measureSensitivity((done, total) => {
  if (done % 10 === 0) process.stderr.write(`${done} of ${total}\n`);
});
writeFileSync(path, calibrationPage(sensitivity));
process.stderr.write(`wrote ${path}\n`);
