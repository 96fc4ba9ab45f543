/** A document, the type that describes it, and the file of its schema. */
export const DOCUMENT_SCHEMAS = [
  {
    title: 'cdna-nic compare and run: one document',
    module: 'src/report/run-document.ts',
    type: 'RunDocumentJson',
    path: 'scenarios/run-document.schema.json',
  },
  {
    title: 'cdna-nic attack: one document',
    module: 'src/attack/attack-document.ts',
    type: 'AttackDocumentJson',
    path: 'scenarios/attack-document.schema.json',
  },
  {
    title: 'cdna-nic fairness: one document',
    module: 'src/fairness/fairness-document.ts',
    type: 'FairnessDocumentJson',
    path: 'scenarios/fairness-document.schema.json',
  },
  {
    title: 'cdna-nic tables: one document',
    module: 'src/tables/output.ts',
    type: 'TablesDocumentJson',
    path: 'scenarios/tables-document.schema.json',
  },
  {
    title: 'cdna-nic replay: one document',
    module: 'src/live/session-result.ts',
    type: 'ReplayDocumentJson',
    path: 'scenarios/replay-document.schema.json',
  },
  {
    title: 'cdna-nic reproduce: one document, and each stored result',
    module: 'src/experiments/reproduce-document-json.ts',
    type: 'ReproduceDocumentJson',
    path: 'scenarios/reproduce-document.schema.json',
  },
  {
    title: 'cdna-nic sweep and sweep merge: one document',
    module: 'src/sweep/sweep-documents.ts',
    type: 'SweepDocumentJson',
    path: 'scenarios/sweep-document.schema.json',
  },
  {
    title: 'cdna-nic sweep --dry-run: one document',
    module: 'src/sweep/sweep-documents.ts',
    type: 'DryRunDocumentJson',
    path: 'scenarios/sweep-dry-run-document.schema.json',
  },
  {
    title: 'cdna-nic sweep report: one document',
    module: 'src/sweep/sweep-documents.ts',
    type: 'SweepReportDocumentJson',
    path: 'scenarios/sweep-report-document.schema.json',
  },
  {
    title: 'cdna-nic serve: one document per second, each on a line of its own',
    module: 'src/live/server/live-sample.ts',
    type: 'ServeDocumentJson',
    path: 'scenarios/serve-document.schema.json',
  },
] as const;
