//! One connection that is kept alive, and the answers that come on it.

use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;

/// Whoever is not answered for so long is not answered.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 16;
/// Longer than any answer there is.
const ANSWER_BYTES_MAX: usize = 4096;

/// What a server has answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The cookie that it sets, with its attributes.
    pub cookie: Option<&'a str>,
    /// What it says.
    pub body: &'a str,
}

/// See the module.
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::with_capacity(ANSWER_BYTES_MAX) })
    }

    /// Asks for a page, as in `GET /read`, and waits for the whole answer.
    ///
    /// # Errors
    /// The connection ends, what comes is not HTTP, or nothing comes.
    pub async fn ask(&mut self, page: &str, cookie: Option<&str>) -> Result<Answer<'_>, Failure> {
        self.request.clear();
        let length = if page.starts_with("POST") { "content-length: 0\r\n" } else { "" };
        for part in [page, " HTTP/1.1\r\nhost: 127.0.0.1\r\n", length] {
            self.request.extend_from_slice(part.as_bytes());
        }
        if let Some(cookie) = cookie {
            for part in ["cookie: ", cookie, "\r\n"] {
                self.request.extend_from_slice(part.as_bytes());
            }
        }
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer);
            if tokio::time::timeout(ANSWER_MAX, read).await?? == 0 {
                return Err("the server has hung up".into());
            }
            // Almost always it has come whole.
            if parse(&self.answer)?.is_some() {
                break;
            }
            if self.answer.len() > ANSWER_BYTES_MAX {
                return Err("the answer does not end".into());
            }
        }
        parse(&self.answer)?.ok_or_else(|| "no answer".into())
    }
}

/// The answer, if all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<Answer<'_>>, Failure> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| std::str::from_utf8(header.value)).transpose()
    };
    let length: usize = header("content-length")?.ok_or("an answer without its length")?.parse()?;
    let Some(body) = bytes.get(head..head + length) else { return Ok(None) };
    if bytes.len() > head + length {
        return Err("more than one answer to one request".into());
    }
    let (status, cookie) = (response.code.unwrap_or(0), header("set-cookie")?);
    Ok(Some(Answer { status, cookie, body: std::str::from_utf8(body)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nset-cookie: id=abc; Path=/\r\ncontent-length: 5\r\ndate: now\r\n\r\nada 7";

    #[test]
    fn an_answer_is_whole_when_its_last_byte_has_come() {
        for end in 0..ANSWER.len() {
            assert_eq!(parse(&ANSWER[..end]).unwrap(), None, "{end} bytes");
        }
        let answer = Answer { status: 200, cookie: Some("id=abc; Path=/"), body: "ada 7" };
        assert_eq!(parse(ANSWER).unwrap(), Some(answer));
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert!(parse(&[ANSWER, b"H"].concat()).is_err());
    }
}
