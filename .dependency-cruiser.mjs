import { builtinModules } from 'node:module';

// The floors of the house: a folder imports only from the floors below it, and no file is its own ancestor.
const floors = ['scheduler', 'nic', 'host', 'guests', 'src'];

const upward = floors.slice(0, -1).map((floor, index) => ({
  name: `${floor}-imports-only-from-below`,
  comment: `${floor}/ is floor ${index + 1}; see docs/architecture.md`,
  severity: 'error',
  from: { path: `^${floor}/` },
  to: { path: `^(${floors.slice(index + 1).join('|')})/` },
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
      from: { path: `^(${floors.join('|')})/` },
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
      from: { path: `^(${floors.join('|')})/`, pathNot: '^src/lab/page/' },
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
