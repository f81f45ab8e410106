//! Asks nslp's server to make PID the last one: client SOCKET PID. Exit status 0 when it is.
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, io, process};

fn ask(server: &str, pid: u32) -> io::Result<u8> {
    // Abstract: no file is left.
    let own = SocketAddr::from_abstract_name(format!("nslp-client-{}", process::id()))?;
    let client = UnixDatagram::bind_addr(&own)?;
    client.connect(server)?;
    client.send(&pid.to_ne_bytes())?;
    let mut answer = [1];
    client.recv(&mut answer)?;
    Ok(answer[0])
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let answer = ask(&arguments[1], arguments[2].parse().expect("a PID")).unwrap_or_else(|error| {
        eprintln!("{error}");
        1
    });
    process::exit(answer.into());
}
