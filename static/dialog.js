// A window above the page, made when it is first opened. The browser keeps the focus in it, closes it on Esc, and gives
// the focus back.

export class Dialog {
  #element = null;

  constructor(title, kind) {
    Object.assign(this, { title, kind });
  }

  open(...content) {
    this.#element ??= this.#make();
    this.#element.setAttribute("aria-label", this.title);
    this.#element.replaceChildren(made("h2", "", this.title), ...content, this.#closing());
    if (!this.#element.open) this.#element.showModal();
  }

  close() {
    this.#element?.close();
  }

  get element() {
    return this.#element;
  }

  #make() {
    const dialog = made("dialog", this.kind);
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
    document.body.append(dialog);
    return dialog;
  }

  #closing() {
    const button = made("button", "close", "Close");
    button.type = "button";
    button.addEventListener("click", () => this.close());
    return button;
  }
}

// An element with a class and a text.
export function made(name, kind = "", text = "") {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}
