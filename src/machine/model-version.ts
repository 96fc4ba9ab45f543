/**
 * Version of what a run computes. Two runs with the same settings and the same version come to the same result; a
 * change that moves any stored fingerprint or result raises it (`npm run store:results` says so), and results of two
 * versions are never put into one table. Where everything happens as before and the report has a line more, it stays, and
 * the reason is kept beside the stored results.
 */
export const MODEL_VERSION: number = 5;
