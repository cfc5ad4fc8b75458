//! Ids, subjects and data that nobody would choose but an attacker.

use sessile::Write;

use super::{all, is_live, lasting, live};
use crate::suite::Home;

fn ids() -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> = vec![
        vec![0],
        vec![255],
        vec![0; 4096],
        vec![255; 4096],
        b"{}".to_vec(),
        b"{user}:1".to_vec(),
        b"}{".to_vec(),
        b"a\0b".to_vec(),
        b"a\0".to_vec(),
        b"a".to_vec(),
        b"\r\n*1\r\n$8\r\nFLUSHALL\r\n".to_vec(),
        b"'; DROP TABLE sessions; --".to_vec(),
        b"$1 %s \\ \" ' `".to_vec(),
        b"redis.call('FLUSHALL')".to_vec(),
        "\u{202e}\u{1f4a5}".as_bytes().to_vec(),
        (0..=255).collect(),
    ];
    ids.extend([15, 16, 17, 63, 64, 65, 4095].map(|length| vec![b'*'; length]));
    ids
}

pub async fn any_bytes_are_an_id(home: Home) {
    for (number, id) in ids().iter().enumerate() {
        let subject = id[..id.len().min(1024)].to_vec();
        home.create(id, lasting(&number.to_string()).subject(subject)).await.unwrap();
    }
    for (number, id) in ids().iter().enumerate() {
        assert_eq!(live(&home, id).await.data(), number.to_string().as_bytes(), "{id:?}");
        let mut new = id.clone();
        new.reverse();
        new.truncate(4000);
        new.push(number.try_into().unwrap());
        new.push(b'!');
        home.touch(id, super::AGES * 2).await.unwrap();
        home.rotate(id, &new, None).await.unwrap();
        assert!(!is_live(&home, id).await);
        assert_eq!(live(&home, &new).await.data(), number.to_string().as_bytes());
        home.destroy_subject(&id[..id.len().min(1024)], Some(&new)).await.unwrap();
        assert!(home.destroy(&new).await.unwrap(), "{id:?}");
    }
    assert!(all(home.iter()).await.is_empty());
}

pub async fn any_bytes_are_data(home: Home) {
    let mut every: Vec<Vec<u8>> = ids();
    every.extend([
        vec![],
        vec![0; 70_000],
        (0..200_000_u32).flat_map(u32::to_le_bytes).collect(),
        vec![7; 1 << 20],
    ]);
    for data in every {
        home.set(b"an id", Write::new(data.clone())).await.unwrap();
        assert!(live(&home, b"an id").await.data() == data, "{} bytes", data.len());
    }
}

pub async fn what_is_out_of_limits_is_refused(home: Home) {
    let invalid =
        |error: sessile_backends::Error| matches!(error.of_store(), Some(sessile::Error::Invalid(_)));
    for id in [vec![], vec![b'x'; 4097]] {
        assert!(invalid(home.create(&id, lasting("")).await.unwrap_err()));
        assert!(invalid(home.get(&id).await.unwrap_err()));
        assert!(invalid(home.destroy(&id).await.unwrap_err()));
        assert!(invalid(home.touch(&id, super::AGES).await.unwrap_err()));
        assert!(invalid(home.rotate(b"old", &id, None).await.unwrap_err()));
        assert!(invalid(home.destroy_subject(b"alice", Some(&id)).await.unwrap_err()));
    }
    for subject in [vec![], vec![b'x'; 1025]] {
        assert!(invalid(home.create(b"an id", lasting("").subject(subject.clone())).await.unwrap_err()));
        assert!(invalid(home.destroy_subject(&subject, None).await.unwrap_err()));
        let mut sessions = home.sessions_of(&subject);
        let first = futures_util::StreamExt::next(&mut sessions).await.expect("an error is an item");
        assert!(invalid(first.unwrap_err()));
    }
    let too_large = home.create(b"an id", Write::new(vec![0; (1 << 20) + 1])).await.unwrap_err();
    assert!(matches!(
        too_large.of_store(),
        Some(sessile::Error::TooLarge { bytes: 1_048_577, bytes_max: 1_048_576 })
    ));
    assert!(!is_live(&home, b"an id").await);
    for name in ["", "Case", "a-b", "a b", "{x}", "a;b", &"x".repeat(33)] {
        assert!(invalid(home.beside(name).await.unwrap_err()), "{name:?}");
    }
}
