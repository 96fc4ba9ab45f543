import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

/**
 * `checkInvariants` throws only where the code around it is wrong, and its state is private, so that no test can make it
 * throw: its mutants would measure nothing. What it says is tested where something else has been broken (the laws' mutants).
 */
export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'invariants', {
    shouldIgnore(path) {
      return path.isClassMethod() && path.node.key.name === 'checkInvariants'
        ? 'checks the code, and throws only where that is wrong'
        : undefined;
    },
  }),
];
