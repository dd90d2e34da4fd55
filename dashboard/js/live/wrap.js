// Whether long lines are wrapped: a habit of the reader, kept in this browser.

const KEY = 'logway.wrap';

export function keptWrap() {
  try {
    return localStorage.getItem(KEY) === '1';
  } catch {
    return false;
  }
}

export function keepWrap(is) {
  try {
    localStorage.setItem(KEY, is ? '1' : '0');
  } catch {
    // It holds for this page then.
  }
}
