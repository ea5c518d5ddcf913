/**
 * The names besides localhost under which a browser may open the page in development: add that of a tunnel.
 *
 * To others Next's development server gives no scripts, and we no answers: any website can be at home under a name that
 * leads to this machine for a moment (DNS rebinding).
 */
export const DEVELOPMENT_HOSTS = ["127.0.0.1"];
