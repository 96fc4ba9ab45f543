import { builtinModules } from 'node:module';

// The layers of the project: a folder imports only from the layers below it, and no file imports itself by a circle.
const layers = ['scheduler', 'nic', 'host', 'guests', 'src'];

const upward = layers.slice(0, -1).map((layer, index) => ({
  name: `${layer}-imports-only-from-below`,
  comment: `${layer}/ is layer ${index + 1}; see docs/architecture.md`,
  severity: 'error',
  from: { path: `^${layer}/` },
  to: { path: `^(${layers.slice(index + 1).join('|')})/` },
}));

/** Modules of Node, as they are resolved: without their prefix. */
const NODE_MODULES = `^(${builtinModules.join('|')})$`;

export default {
  forbidden: [
    ...upward,
    {
      name: 'no-circles',
      comment: 'files that import each other cannot be read one at a time',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'only-the-command-line-imports-live',
      comment: 'src/live is the only place where a clock or a socket can influence a machine',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(live|cli)/' },
      to: { path: '^src/live/' },
    },
    {
      name: 'nothing-shipped-imports-tests',
      severity: 'error',
      from: { path: `^(${layers.join('|')})/` },
      to: { path: '^(test|bench|examples)/' },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'the-lab-imports-no-node',
      comment:
        'what the lab bundles runs in a browser: neither it nor anything that it imports may need a module of Node',
      severity: 'error',
      from: { path: '^src/lab/' },
      to: { path: NODE_MODULES, reachable: true },
    },
    {
      name: 'not-to-dev-dependency',
      severity: 'error',
      // The page of the lab is bundled when the package is built; what it is made of is installed with it.
      from: { path: `^(${layers.join('|')})/`, pathNot: '^src/lab/page/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm-peer'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
