// What is around each page: the bar with the ways to go, messages, and the list of keys.

import { Component, html, signal, useEffect, useState } from './ui.js';
import { Icon } from './icons.js';
import { Dialog } from './dialog.js';
import { Downloads } from './downloadbar.js';
import { Notices, Problem } from './notice.js';
import { offered, useKeys } from './keys.js';
import { go, link, route } from './router.js';
import { signOut, token, who } from './session.js';
import { nextTheme, theme } from './theme.js';
import { SignIn } from './pages/signin.js';

/**
 * The pages: how each is loaded, what it is called, and the key behind `g`. Those with a `nav` stand in the bar.
 * @type {Record<string, {title: string, load: () => Promise<{default: Function}>, nav?: string, key?: string, under?: string}>}
 */
const PAGES = {
  apps: { title: 'Apps', load: () => import('./pages/apps.js'), nav: 'apps', key: 'a' },
  search: { title: 'Search', load: () => import('./pages/search.js'), nav: 'search', key: 's' },
  health: { title: 'Health', load: () => import('./pages/health.js'), nav: 'health', key: 'h' },
  codes: { title: 'Codes', load: () => import('./pages/codes.js'), nav: 'codes', key: 'c' },
  tokens: { title: 'Tokens', load: () => import('./pages/tokens.js'), nav: 'tokens', key: 't' },
  app: { title: 'Live logs', load: () => import('./pages/app.js'), under: 'apps' },
  machine: { title: 'Machine', load: () => import('./pages/machine.js'), under: 'apps' },
};

const isHelpOpen = signal(false);

/** Everything. */
export function Shell() {
  if (!token.value) return html`<${SignIn} /><${Notices} />`;
  return html`
    <a class="skip" href="#main" onClick=${toMain}>Skip to the page</a>
    <${Bar} />
    <main id="main" class="main" tabindex="-1"><${Boundary} key=${`${token.value} ${route.value.page}`}><${Page} /><//></main>
    <${Keys} />
    ${isHelpOpen.value && html`<${Help} />`}
    <${Downloads} />
    <${Notices} />`;
}

function toMain(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

function Bar() {
  const here = PAGES[route.value.page]?.under ?? route.value.page;
  const org = who.value?.org?.slug;
  return html`<header class="bar">
    <a class="brand" href="#/apps" aria-label="Logway: apps"><span class="brand-mark" aria-hidden="true"></span><span>Logway</span></a>
    ${org && html`<span class="org" title="The organisation whose lines you see"><span class="offscreen">Organisation </span>${org}</span>`}
    <nav class="nav" aria-label="Pages">
      ${Object.entries(PAGES).filter(([, page]) => page.nav).map(([name, page]) => html`
        <a key=${name} href=${link(name)} aria-current=${here === name ? 'page' : undefined}>
          <${Icon} name=${page.nav} /><span>${page.title}</span>
        </a>`)}
    </nav>
    <span class="bar-end">
      <button class="button bare only-wide" onClick=${() => { isHelpOpen.value = true; }} title="Keys (?)" aria-label="Keys"><${Icon} name="help" /></button>
      <button class="button bare" onClick=${nextTheme} title=${`Theme: ${theme.value}`} aria-label=${`Theme: ${theme.value}`}><${Icon} name=${theme.value} /></button>
      <button class="button bare" onClick=${() => signOut()} title="Sign out" aria-label="Sign out"><${Icon} name="out" /></button>
    </span>
  </header>`;
}

/** The page of the address, loaded when it is first gone to. */
function Page() {
  const name = route.value.page;
  const page = PAGES[name];
  const [loaded, setLoaded] = useState({ name: '', view: null, error: null });
  const load = () => {
    // One that comes when somebody has gone on is left alone.
    const set = (state) => { if (route.peek().page === name) setLoaded({ name, view: null, error: null, ...state }); };
    page?.load().then(
      (module) => set({ view: module.default }),
      (error) => {
        console.error(error);
        set({ error: new Error('This page could not be loaded. Is Logway still running?') });
      },
    );
  };
  useEffect(() => {
    document.title = page ? [...route.value.parts, page.title, 'Logway'].join(' · ') : 'Logway';
  }, [route.value]);
  useEffect(load, [name]);
  if (!page) {
    return html`<div class="empty"><h1>There is no such page</h1><p>Go to <a href="#/apps">the apps</a>, or press <kbd>?</kbd> for the keys.</p></div>`;
  }
  if (loaded.name !== name) return html`<p class="loading" aria-busy="true">Loading</p>`;
  if (loaded.error) return html`<${Problem} error=${loaded.error} again=${load} />`;
  return html`<${loaded.view} parts=${route.value.parts} args=${route.value.args} />`;
}

/** What a page threw stays in its place: the bar still works. */
class Boundary extends Component {
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error });
  }

  render({ children }, { error }) {
    if (!error) return children;
    return html`<${Problem} error=${new Error(`This page has failed: ${error.message}`)} again=${() => this.setState({ error: null })} />`;
  }
}

/** The keys that work everywhere. */
function Keys() {
  const pages = Object.entries(PAGES).filter(([, page]) => page.key);
  useKeys('Everywhere', [
    { keys: '?', does: 'Show the keys', act: () => { isHelpOpen.value = !isHelpOpen.value; } },
    ...pages.map(([name, page]) => ({ keys: `g ${page.key}`, does: `Go to ${page.title}`, act: () => go(link(name)) })),
    { keys: 'g l', does: 'Change between light and dark', act: nextTheme },
  ]);
  return null;
}

const NAMES = { ' ': 'Space', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc' };

/** The key that opened it closes it. */
function HelpKeys({ close }) {
  useKeys('This list', [{ keys: '?', does: '', act: close }]);
  return null;
}

function Help() {
  const close = () => { isHelpOpen.value = false; };
  return html`<${Dialog} title="Keys" close=${close}><${HelpKeys} close=${close} />
    <div class="keys">
      ${offered.value.filter((group) => group.keys.some((key) => key.does)).map((group) => html`<section key=${group.title}>
        <h3>${group.title}</h3>
        <dl>${group.keys.filter((key) => key.does).map((key) => html`
          <div><dt>${(key.keys === ' ' ? [' '] : key.keys.split(' ')).map((one) => html`<kbd>${NAMES[one] ?? one}</kbd>`)}</dt><dd>${key.does}</dd></div>`)}
        </dl>
      </section>`)}
    </div>
  <//>`;
}
