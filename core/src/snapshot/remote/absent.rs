//! In the place of objects at a URL, in a program that was built without them.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// There are none.
#[derive(Debug)]
pub(super) enum Objects {}

impl Objects {
    pub(super) fn open(url: &str) -> Result<Objects> {
        Err(Error::usage(format!("{url} can't be used: this program has no object store built in")))
    }

    pub(super) fn url_of(&self, _name: &str) -> String {
        match *self {}
    }

    pub(super) fn list(&self, _directory: &str) -> Result<Vec<String>> {
        match *self {}
    }

    pub(super) fn create(&self, _name: &str, _content: &[u8]) -> Result<bool> {
        match *self {}
    }

    pub(super) fn read(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        match *self {}
    }

    pub(super) fn upload(&self, _files: &[(String, PathBuf)]) -> Result<()> {
        match *self {}
    }

    pub(super) fn download(&self, _files: &[(String, PathBuf)]) -> Result<()> {
        match *self {}
    }

    pub(super) fn remove(&self, _names: &[String]) -> Result<()> {
        match *self {}
    }
}
