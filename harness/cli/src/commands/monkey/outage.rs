//! Whether there is an outage: a program or a server is asked. Whatever is not
//! a clear "no" in time is an outage, or an error, which means the same.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use squall_scenario::monkey::{OutageCheck, OutageQuestion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Between two looks at a program.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// `HTTP/1.1 200`
const STATUS_BYTES: usize = 12;

/// What outage there is, if any; in words.
///
/// # Errors
/// Nobody knows; in words.
pub(super) async fn ask(check: &OutageCheck, folder: &Path) -> Result<Option<String>, String> {
    let late = |_elapsed| Err(format!("no answer within {:?}", check.within));
    match &check.ask {
        OutageQuestion::Command(words) => command(words, folder, check.within).await,
        OutageQuestion::Http(url) => timeout(check.within, http(url)).await.unwrap_or_else(late),
    }
}

async fn command(
    words: &[String],
    folder: &Path,
    within: Duration,
) -> Result<Option<String>, String> {
    let (program, arguments) = words.split_first().ok_or("there is no program")?;
    let mut asked = Command::new(program);
    asked
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    asked.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = asked
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let ended = async {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => sleep(LOOK_EVERY).await,
                Err(error) => return Err(format!("{program}: {error}")),
            }
        }
    };
    match timeout(within, ended).await {
        Ok(Ok(status)) if status.success() => Ok(None),
        Ok(Ok(status)) => Ok(Some(format!("{program} says so ({status})"))),
        Ok(Err(why)) => Err(why),
        Err(_elapsed) => {
            // Killed, it ends at once; then it is reaped.
            let killed = child.kill().and_then(|()| child.wait());
            let why = format!("{program} did not end within {within:?}");
            Err(match killed {
                Ok(_status) => why,
                Err(error) => format!("{why}: {error}"),
            })
        }
    }
}

async fn http(url: &str) -> Result<Option<String>, String> {
    let rest = url.strip_prefix("http://").ok_or("not http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut start = [0; STATUS_BYTES];
    stream.read_exact(&mut start).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&start);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|status| status.parse::<u16>().ok());
    match status.ok_or_else(|| format!("{address} does not answer in HTTP"))? {
        200..=299 => Ok(None),
        status => Ok(Some(format!("{address} answers with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn asked(ask_this: OutageQuestion, within: Duration) -> Result<Option<String>, String> {
        let check = OutageCheck {
            ask: ask_this,
            within,
        };
        ask(&check, Path::new("/")).await
    }

    fn sh(script: &str) -> OutageQuestion {
        OutageQuestion::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn only_a_clear_no_is_no_outage() {
        let long = Duration::from_secs(60);
        assert_eq!(asked(sh("exit 0"), long).await, Ok(None));
        assert!(matches!(asked(sh("exit 3"), long).await, Ok(Some(_))));
        assert!(matches!(asked(sh("kill -9 $$"), long).await, Ok(Some(_))));
        let nobody = OutageQuestion::Command(vec!["/no/such/program".to_owned()]);
        assert!(asked(nobody, long).await.is_err());
        let never = asked(sh("exec sleep 600"), Duration::from_millis(50)).await;
        assert!(never.unwrap_err().contains("did not end within"));
    }

    /// A server that gives one answer, or hangs up.
    async fn server(answer: &'static str) -> OutageQuestion {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut request = [0; 16];
            let _ = caller.read(&mut request).await;
            let _ = caller.write_all(answer.as_bytes()).await;
        });
        OutageQuestion::Http(format!("http://{address}/outage"))
    }

    #[tokio::test]
    async fn only_a_good_status_is_no_outage() {
        let long = Duration::from_secs(60);
        let answer = |text| async move { asked(server(text).await, long).await };
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n").await, Ok(None));
        for bad in ["HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 302 There\r\n\r\n"] {
            assert!(matches!(answer(bad).await, Ok(Some(_))), "{bad}");
        }
        for none in ["", "HTTP/1.1 2", "SSH-2.0-OpenSSH_9", "HTTP/1.1 abc d"] {
            assert!(answer(none).await.is_err(), "{none}");
        }
    }
}
