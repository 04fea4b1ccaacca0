/**
 * All routes, in the order of the OpenAPI document.
 */
import type { Route } from '../route.js';
import { adminRoutes } from './admin.js';
import { docsRoutes } from './docs.js';
import { eventRoutes } from './events.js';
import { healthRoutes } from './health.js';
import { jobRoutes } from './jobs.js';
import { modelRoutes } from './models.js';
import { playbackRoutes } from './playback.js';
import { stemifyRoutes } from './stemify.js';
import { stemRoutes } from './stems.js';
import { uploadRoutes } from './uploads.js';

const routes: readonly Route[] = [
  ...stemifyRoutes,
  ...uploadRoutes,
  ...jobRoutes,
  ...stemRoutes,
  ...playbackRoutes,
  ...eventRoutes,
  ...modelRoutes,
  ...healthRoutes,
  ...docsRoutes,
  ...adminRoutes,
];

/** @param admin whether there is an ADMIN_KEY: without one there are no routes for it. */
export const routesOf = ({ admin }: { admin: boolean }): readonly Route[] =>
  admin ? routes : routes.filter(({ access }) => access !== 'admin');
