// Every discipline on the same random scripts, beside its stated bound: how many frames were granted,
// how often two contexts were compared, and how close the largest gap came. 1 means that the bound is reached.
import { DISCIPLINES, makeDiscipline } from 'cdna-nic/scheduler';
import { checkDiscipline } from 'cdna-nic/scheduler/laws';

const numRuns = Number(process.argv[2] ?? 1000);
const linkBps = 1e9;
console.log('| discipline | scripts | frames | comparisons | largest gap / bound | longest wait / bound |');
console.log('|---|---|---|---|---|---|');
for (const { name } of DISCIPLINES.filter((entry) => entry.weighted)) {
  const report = checkDiscipline(() => makeDiscipline(name, { linkBps }), {
    linkBps,
    numRuns,
    seed: 20070212,
  });
  const { runs, grants, gapChecks, largestGapRatio, largestStarvationRatio } = report;
  console.log(
    `| ${name} | ${runs} | ${grants} | ${gapChecks} | ${largestGapRatio.toFixed(3)} | ${largestStarvationRatio.toFixed(3)} |`,
  );
}
