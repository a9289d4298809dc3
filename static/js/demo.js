// In the demo: fills the connecting form with one of the tokens to try.
for (const button of document.querySelectorAll("[data-fill-token]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    document.querySelector("#id_instance_address").value = button.dataset.fillAddress;
    const token = document.querySelector("#id_token");
    token.value = button.dataset.fillToken;
    token.focus();
  });
}
