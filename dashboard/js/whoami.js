// Whose a token is, and what it may do.

import { ApiError, get } from './api.js';

/**
 * Asks the server about `text`; an ApiError says what is wrong with it.
 * @returns {Promise<import('./session.js').Who>}
 */
export async function whose(text) {
  try {
    return await get('/api/v1/whoami', { token: text });
  } catch (error) {
    const isOlder = error instanceof ApiError && [400, 404, 501].includes(error.status);
    if (!isOlder) throw error;
  }
  // A server from before that path: whoever may ask for its tenant may read.
  await get('/select/tenant_ids', { token: text });
  return { org: { slug: '' }, actions: ['read'], apps: null, expires: null };
}
