"use strict";
// Filters the examples by words, label and verdict. Without this script all of them stand there.
const filter = document.querySelector(".filter");
if (filter) {
  const [words, label, verdict] = filter.querySelectorAll("input, select");
  const shown = filter.querySelector("output");
  const examples = [...document.querySelectorAll(".example")];
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const example of examples) {
      const text = example.textContent.toLowerCase();
      const fits = wanted.every((word) => text.includes(word))
        && ["", example.dataset.label].includes(label.value)
        && ["", example.dataset.verdict].includes(verdict.value);
      example.hidden = !fits;
      count += fits ? 1 : 0;
    }
    shown.textContent = `${count} of ${examples.length} rows`;
  };
  filter.hidden = false;
  filter.addEventListener("input", apply);
  apply();
}
