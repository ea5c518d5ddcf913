/** How the stand-in looks: plain, with the colours of the options, light or dark. */
export const LOOK = `
:host { color-scheme: light; color: light-dark(#1b1b1f, #ececf1); background: light-dark(#fff, #17171a); }
:host([data-scheme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; font: inherit; }
[hidden] { display: none !important; }
.frame { display: flex; flex-direction: column; height: 100%; }
.sign { margin: 0; padding: .25rem 1rem; background: #fde68a; color: #422006; font-size: .8rem; text-align: center; }
header { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; justify-content: end; padding: .5rem 1rem; border-bottom: 1px solid #8884; }
header h1 { flex: 1; margin: 0; min-width: 8rem; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav { padding: 1rem; overflow: auto; flex: 1; }
nav li { display: flex; gap: .5rem; margin-bottom: .5rem; }
nav form { display: flex; flex: 1; }
ul { list-style: none; margin: 0; padding: 0; }
.start { margin: auto; padding: 1rem; text-align: center; }
.start h1 { font-size: 1.5rem; font-weight: 600; }
.start ul { display: flex; flex-wrap: wrap; gap: .5rem; justify-content: center; }
.log { flex: 1; overflow: auto; padding: 1rem; display: flex; flex-direction: column; gap: .75rem; }
.item { display: flex; flex-direction: column; gap: .25rem; width: 100%; max-width: 44rem; margin: 0 auto; }
article { white-space: pre-wrap; overflow-wrap: anywhere; }
.user_message { align-items: end; }
.user_message article { padding: .5rem 1rem; background: #8882; border-radius: 1rem; }
.card { padding: 1rem; border: 1px solid #8886; border-radius: .75rem; white-space: normal; }
.card h2 { margin: 0 0 .5rem; font-weight: 600; }
.actions { display: flex; gap: .25rem; }
.actions button { padding: .25rem .5rem; }
.actions [aria-pressed="true"] { outline: 2px solid; }
[aria-busy="true"] .actions { display: none; }
.attachments { display: flex; flex-wrap: wrap; gap: .5rem; }
.attachments li { display: flex; gap: .5rem; align-items: center; padding: .25rem .5rem; border: 1px solid #8886; border-radius: .5rem; }
.attachments img { width: 3rem; height: 3rem; object-fit: cover; }
legend { padding: 0; }
fieldset { margin: 0 0 .75rem; padding: 0; border: 0; }
label { display: block; margin-bottom: .75rem; }
.choice { display: inline-flex; gap: .25rem; align-items: center; margin: .25rem 1rem 0 0; }
.status { margin: 0; padding: .25rem 1rem; color: light-dark(#63636e, #a3a3ad); text-align: center; }
.alert { margin: .25rem 1rem; padding: .5rem 1rem; border: 1px solid #dc2626; border-radius: .5rem; }
.disclaimer { margin: 0 1rem .5rem; font-size: .8rem; text-align: center; }
.composer { padding: .75rem 1rem; width: 100%; max-width: 46rem; margin: 0 auto; }
.composer > div:last-child { display: flex; flex-wrap: wrap; gap: .5rem; }
.composer .attachments { margin-bottom: .5rem; }
.composer label { margin: 0; }
.composer label:focus-within { outline: 2px solid; }
input, select { padding: .5rem .75rem; border: 1px solid #8886; border-radius: .5rem; background: transparent; color: inherit; }
input:not([type=radio], [type=file]) { flex: 1 1 8rem; width: 100%; min-width: 0; }
input::placeholder { color: light-dark(#63636e, #a3a3ad); opacity: 1; }
[type=file] { position: absolute; width: 1px; height: 1px; opacity: 0; }
button, .composer label { padding: .5rem 1rem; border: 0; border-radius: .5rem; background: var(--accent, #444); color: #fff; cursor: pointer; }
form button + button, .card button + button { margin-left: .5rem; }
.composer button { margin: 0; }
button.quiet, .composer label { background: #8883; color: inherit; }
`;
