//! Objects below a URL: the one place that knows `object_store`, and the one in which anything is asynchronous.
//!
//! Every call waits for its answer, in the thread that calls; that is never a worker's. Several may call at once. What is on
//! its way fails for good only when the store's client has tried again for a while.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, WriteMultipart, parse_url_opts};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::error::{Error, Result};
use crate::snapshot::fault::cannot;

/// So many files are on their way at once.
const FILES_AT_ONCE: usize = 4;
/// Of a large file, so many parts are.
const PARTS_AT_ONCE: usize = 4;
/// A file with more bytes goes in parts.
const PART_BYTES: u64 = 8 << 20;
/// A file may have 10,000 parts in S3.
const PARTS_MAX: u64 = 9_000;
/// What the environment variables begin with from which a store takes its credentials and its region.
const VARIABLES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The objects whose names begin with a URL.
#[derive(Debug)]
pub(super) struct Objects {
    url: String,
    root: Location,
    store: Arc<dyn ObjectStore>,
    /// Driven by whoever waits: it has no thread.
    runtime: Runtime,
}

impl Objects {
    /// What lies at a URL whose scheme is built in.
    ///
    /// # Errors
    /// If it is no URL, or its store lacks credentials.
    pub(super) fn open(url: &str) -> Result<Objects> {
        let parsed =
            Url::parse(url).map_err(|error| Error::usage(format!("{url} is no URL")).caused_by(error))?;
        let variables =
            std::env::vars().filter(|(name, _)| VARIABLES.iter().any(|known| name.starts_with(known)));
        let options = variables.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, root) = parse_url_opts(&parsed, options)
            .map_err(|error| Error::failure(format!("can't use {url}")).caused_by(error))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "file" => Arc::new(LocalFileSystem::new().with_fsync(true)),
            _ => Arc::from(store),
        };
        Objects::of(url, root, store)
    }

    pub(super) fn of(url: &str, root: Location, store: Arc<dyn ObjectStore>) -> Result<Objects> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Objects { url: url.to_string(), root, store, runtime })
    }

    /// The name of an object, for people.
    pub(super) fn url_of(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// The names below `directory`.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub(super) fn list(&self, directory: &str) -> Result<Vec<String>> {
        let below = self.location(directory);
        let listed = self.store.list(Some(&below)).try_collect::<Vec<_>>();
        let listed = self.runtime.block_on(listed).map_err(|error| self.failed("list", directory, error))?;
        let name = |location: &Location| {
            let parts = location.prefix_match(&below)?.map(|part| part.as_ref().to_string());
            Some(parts.collect::<Vec<_>>().join("/"))
        };
        Ok(listed.iter().filter_map(|object| name(&object.location)).collect())
    }

    /// Creates an object, at once or not at all. Whether there was none of this name.
    ///
    /// # Errors
    /// If that can't be done; it may have been, all the same.
    pub(super) fn create(&self, name: &str, content: &[u8]) -> Result<bool> {
        let location = self.location(name);
        let put = self.store.put_opts(&location, content.to_vec().into(), PutMode::Create.into());
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", name, error)),
        }
    }

    /// What an object holds; `None` if there is none of this name.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let location = self.location(name);
        let read = async { self.store.get(&location).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(content) => Ok(Some(content.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    /// Makes objects of files.
    ///
    /// # Errors
    /// If one can't be made; others may have been.
    pub(super) fn upload(&self, files: &[(String, PathBuf)]) -> Result<()> {
        let each = files.iter().map(|(name, path)| self.upload_one(name, path));
        self.runtime.block_on(stream::iter(each).buffer_unordered(FILES_AT_ONCE).try_collect())
    }

    async fn upload_one(&self, name: &str, path: &Path) -> Result<()> {
        let unreadable = |error| cannot("read", path, error);
        let failed = |error| self.failed("write", name, error);
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let location = self.location(name);
        if bytes <= PART_BYTES {
            let mut content = Vec::with_capacity(bytes as usize);
            file.read_to_end(&mut content).map_err(unreadable)?;
            self.store.put(&location, content.into()).await.map_err(failed)?;
            return Ok(());
        }
        let part_bytes = PART_BYTES.max(bytes.div_ceil(PARTS_MAX)) as usize;
        let upload = self.store.put_multipart(&location).await.map_err(failed)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, part_bytes);
        let mut part = vec![0; part_bytes];
        let filled = async {
            loop {
                parts.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
                match file.read(&mut part).map_err(unreadable)? {
                    0 => return Ok(()),
                    length => parts.write(&part[..length]),
                }
            }
        };
        if let Err(error) = filled.await {
            // Parts that stay cost money until the bucket's rules remove them.
            let _ = parts.abort().await;
            return Err(error);
        }
        parts.finish().await.map_err(failed)?;
        Ok(())
    }

    /// Makes files of objects. One that is there is written anew.
    ///
    /// # Errors
    /// If an object can't be read or a file can't be written.
    pub(super) fn download(&self, files: &[(String, PathBuf)]) -> Result<()> {
        let each = files.iter().map(|(name, path)| self.download_one(name, path));
        self.runtime.block_on(stream::iter(each).buffer_unordered(FILES_AT_ONCE).try_collect())
    }

    async fn download_one(&self, name: &str, path: &Path) -> Result<()> {
        let failed = |error| self.failed("read", name, error);
        let mut content = self.store.get(&self.location(name)).await.map_err(failed)?.into_stream();
        let mut file = File::create(path).map_err(|error| cannot("create", path, error))?;
        while let Some(bytes) = content.try_next().await.map_err(failed)? {
            file.write_all(&bytes).map_err(|error| cannot("write", path, error))?;
        }
        Ok(())
    }

    /// Removes objects; those that are gone already are none.
    ///
    /// # Errors
    /// If one can't be removed; others may have been.
    pub(super) fn remove(&self, names: &[String]) -> Result<()> {
        let locations: Vec<_> = names.iter().map(|name| Ok(self.location(name))).collect();
        let locations = stream::iter(locations).boxed();
        let removed = self.store.delete_stream(locations).map(|removed| match removed {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::failure(format!("can't delete at {}", self.url)).caused_by(error)),
        });
        self.runtime.block_on(removed.try_collect())
    }

    fn location(&self, name: &str) -> Location {
        name.split('/').fold(self.root.clone(), |location, part| location.join(part))
    }

    fn failed(&self, verb: &str, name: &str, error: object_store::Error) -> Error {
        let text = match &error {
            // Its own words begin with the kind of the store, and what follows says it again.
            object_store::Error::Generic { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        Error::failure(format!("can't {verb} {}", self.url_of(name))).caused_by(text)
    }
}
