import { NpwsOptionsError } from '../core/errors.js';
import type { DashboardGuard } from './admission.js';

/** What a dashboard's options are injected by. */
export const DASHBOARD_OPTIONS = Symbol('NPWS_DASHBOARD_OPTIONS');

/** What stands beside the factory of `forRootAsync`. */
export interface NpwsDashboardPlace {
  /** Where the page is; its feed is at '/feed' below it. A global prefix goes before the page's alone. Default '/npws-dashboard'. */
  path?: string;
}

/** What `NpwsDashboardModule.forRootAsync` makes. */
export interface NpwsDashboardOptions {
  /** Who may see it. Default: whoever asks from this machine itself, not by way of a proxy. */
  readonly guard?: DashboardGuard;
}

export const DEFAULT_PATH = '/npws-dashboard';

/** Checks a path. Throws `NpwsOptionsError`. */
export function checkPath(path: string): string {
  if (/^(\/[\w.~-]+)+$/.test(path)) return path;
  const expected = `a path such as '${DEFAULT_PATH}', of letters, digits and -._~`;
  throw new NpwsOptionsError('NpwsDashboardModule', [
    `path: expected ${expected}, got ${JSON.stringify(path)}`,
  ]);
}
