//! The page itself.

use super::sheet::Sheet;
use crate::failure::{Failure, OrFail};
use anyhow::Context;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};

pub(super) fn render(template: &str, sheet: &Sheet) -> Result<String, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let wrong = "the page cannot be made of its template";
    environment.add_template("page.html", template).context(wrong).or_input()?;
    let page = environment.get_template("page.html").context(wrong).or_input()?;
    page.render(context! { sheet => Serde(sheet), version => env!("CARGO_PKG_VERSION") })
        .context(wrong)
        .or_input()
}
