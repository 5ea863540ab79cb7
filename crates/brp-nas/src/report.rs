//! `brp-nas report`: runs and records of experiments as one page, and their pictures as files.

mod folders;
mod page;
mod pictures;
mod sheet;

use crate::failure::{Failure, OrFail};
use crate::options::Format;
use crate::output::{self, Show};
use crate::record::{PAGE, write_whole};
use anyhow::Context;
use charts::{Theme, png};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Flags of `report`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Folders: of a run, of several runs, or of records that `repro` keeps.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Where `report.html` and the pictures are written [default: `report` in the first folder].
    #[arg(long)]
    to: Option<PathBuf>,
    /// The folder of experiments, for records.
    #[arg(long, default_value = "experiments")]
    experiments: PathBuf,
    /// A page of your own, for minijinja [default: the one that comes with the program].
    #[arg(long)]
    template: Option<PathBuf>,
    /// How the result is printed on stdout [default: table].
    #[arg(long)]
    format: Option<Format>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Report {
    runs: usize,
    /// Runs without a result: cut off, or still going on.
    cut_off: usize,
    records: usize,
    files: Vec<PathBuf>,
}

/// A picture of a run or a record.
#[derive(Serialize)]
pub(crate) struct Picture {
    /// As its file is called, without the end.
    name: String,
    title: String,
    svg: String,
}

/// The page that comes with the program.
const TEMPLATE: &str = include_str!("report/page.html");

/// PNG has twice the pixels that SVG says, for dense screens.
const SCALE: f32 = 2.0;

pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let found = folders::read(&args.folders, &args.experiments)?;
    let template = match &args.template {
        Some(file) => {
            let cannot = || format!("cannot read the template {}", file.display());
            std::fs::read_to_string(file).with_context(cannot).or_input()?
        }
        None => TEMPLATE.to_owned(),
    };
    let sheet = sheet::Sheet::of(&found)?;
    let page = page::render(&template, &sheet)?;
    let to = args.to.clone().unwrap_or_else(|| args.folders[0].join("report"));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display())).or_input()?;
    let mut files = vec![to.join(PAGE)];
    write_whole(&files[0], page.as_bytes()).or_failed()?;
    for picture in sheet.pictures() {
        files.extend(write(&to, picture)?);
    }
    let (runs, cut_off) = (found.runs.len(), found.runs.iter().filter(|run| run.result.is_none()).count());
    let report = Report { runs, cut_off, records: found.records.len(), files };
    output::print(&report, args.format.unwrap_or_default())
}

/// The page of one run, in its folder.
pub(crate) fn of_run(folder: &Path) -> Result<PathBuf, Failure> {
    let found = folders::read(&[folder.to_path_buf()], Path::new(""))?;
    let page = page::render(TEMPLATE, &sheet::Sheet::of(&found)?)?;
    let file = folder.join(PAGE);
    write_whole(&file, page.as_bytes()).or_failed()?;
    Ok(file)
}

fn write(folder: &Path, picture: &Picture) -> Result<Vec<PathBuf>, Failure> {
    let file = |end: &str| folder.join(format!("{}{end}", picture.name));
    let (svg, light, dark) = (file(".svg"), file(".png"), file("-dark.png"));
    write_whole(&svg, picture.svg.as_bytes()).or_failed()?;
    for (path, theme) in [(&light, Theme::Light), (&dark, Theme::Dark)] {
        write_whole(path, &png(&picture.svg, theme, SCALE).or_failed()?).or_failed()?;
    }
    Ok(vec![svg, light, dark])
}

impl Show for Report {
    fn table(&self) -> String {
        let Self { runs, cut_off, records, files } = self;
        let cut_off = if *cut_off > 0 { format!(" ({cut_off} without a result)") } else { String::new() };
        format!("{runs} runs{cut_off} and {records} records in {}\n", files[0].display())
    }

    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        (vec!["file".into()], self.files.iter().map(|file| vec![file.display().to_string()]).collect())
    }
}
