// The top layer of the package: scenarios, runs, and reports about them. The layers below have entry points of their
// own: cdna-nic/scheduler, cdna-nic/nic, cdna-nic/host, cdna-nic/guests.

export { APPROACHES, type Approach, makeProtection } from '../host/protection/approaches.js';
export type { Protection, ProtectionCounters, ProtectionPlan } from '../host/protection/protection.js';
export { FairnessMeter, type FairnessReport, jainIndex } from './machine/fairness-meter.js';
export type { GuestRun } from './machine/guest-run.js';
export type { LatencySummary } from './machine/latency.js';
export { Machine, type MachineAssembly } from './machine/machine.js';
export { readCaptures } from './machine/read-captures.js';
export {
  type DisciplineMaker,
  type GuestResult,
  type LawResult,
  Run,
  type RunResult,
  type RunSettings,
  runScenario,
} from './machine/run.js';
export type { CaptureStore } from './machine/traffic.js';
export { comparisonText } from './report/comparison-text.js';
export { OutputFileError } from './report/output-file-error.js';
export {
  type CapturedInterface,
  type InterfaceStatistics,
  type PacketNotes,
  PcapngWriter,
} from './report/pcapng-writer.js';
export { PerfettoWriter } from './report/perfetto-writer.js';
export { RunCapture } from './report/run-capture.js';
export { formatRunDocument, type RunDocument } from './report/run-document.js';
export type { RunHeading } from './report/run-heading.js';
export { runText } from './report/run-text.js';
export { RunTrace } from './report/run-trace.js';
export { timelineWriter } from './report/timeline-format.js';
export type { TimelineWriter, TraceArguments } from './report/timeline-writer.js';
export { TraceWriter } from './report/trace-writer.js';
export { bundledScenario } from './scenario/bundled.js';
export { scenarioJsonSchema } from './scenario/json-schema.js';
export { checkScenario, type LoadedScenario, loadScenario } from './scenario/load.js';
export { ScenarioError } from './scenario/scenario-error.js';
export {
  defineScenario,
  type GuestSpec,
  type Scenario,
  type ScenarioInput,
  scenarioSchema,
  type TrafficSpec,
} from './scenario/schema.js';
export { defaultWarmUpNs, RUN_DEFAULTS, type SimulateOptions, simulate, simulate$ } from './simulate.js';
export { type RunStudyOptions, runStudy, type StudyMetrics, type StudyRow } from './sweep/run-study.js';
export { defineStudy, type StudyInput } from './sweep/study-schema.js';
