// SPDX-License-Identifier: GPL-2.0-only
//! KVM's VMware guest interface for a VMM in Rust: what bindgen makes of
//! `<linux/kvm_vmport.h>`, and what it leaves out of it.  README.rst says how to run it.
#![allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals)]

use std::mem::{size_of, zeroed};
use std::os::raw::c_ulong;
use std::ptr::addr_of;

include!(concat!(env!("OUT_DIR"), "/kvm_vmport.rs"));

/// `_IOWR(KVMIO, nr, T)`, which is no constant to bindgen.
/// `vmm_sys_util::ioctl_iowr_nr!(KVM_GET_VMPORT_STATE, KVMIO, 0xf0, kvm_vmport_state)`
/// makes a function `KVM_GET_VMPORT_STATE()` that returns the same.
const fn kvm_iowr<T>(nr: u32) -> c_ulong {
    (3 << 30 | (size_of::<T>() as u32) << 16 | KVMIO << 8 | nr) as c_ulong
}

pub const KVM_GET_VMPORT_STATE: c_ulong = kvm_iowr::<kvm_vmport_state>(0xf0);
pub const KVM_SET_VMPORT_STATE: c_ulong = kvm_iowr::<kvm_vmport_state>(0xf1);
pub const KVM_GET_VMPORT_ATTR: c_ulong = kvm_iowr::<kvm_vmport_attr>(0xf2);
pub const KVM_SET_VMPORT_ATTR: c_ulong = kvm_iowr::<kvm_vmport_attr>(0xf3);

/// The macro of the same name.
///
/// # Safety
///
/// `run` is the mapping of a vCPU whose `exit_reason` is `KVM_EXIT_VMPORT`.
pub unsafe fn kvm_run_vmport(run: *const kvm_run) -> *const kvm_vmport_exit {
    addr_of!((*run).__bindgen_anon_1.padding).cast()
}

/// What a VMM promises its guests.  bindgen gives each constant the smallest type that
/// holds it, here u32, whatever the header says.  `u64::from` does for larger ones too.
pub fn features() -> u64 {
    u64::from(KVM_VMPORT_FEATURE_ENABLE)
        | u64::from(KVM_VMPORT_FEATURE_RPC)
        | u64::from(KVM_VMPORT_FEATURE_HB)
        | u64::from(KVM_VMPORT_FEATURE_RING3)
}

/// A struct for KVM_GET_VMPORT_ATTR or KVM_SET_VMPORT_ATTR.  It has a union in it, so
/// bindgen derives no Default; all zero is valid, and what reserved fields must be.
pub fn attr(type_: u32) -> kvm_vmport_attr {
    kvm_vmport_attr {
        type_,
        ..unsafe { zeroed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ioctl_numbers_are_those_of_the_header() {
        assert_eq!(KVM_GET_VMPORT_STATE, 0xc050aef0);
        assert_eq!(KVM_SET_VMPORT_STATE, 0xc050aef1);
        assert_eq!(KVM_GET_VMPORT_ATTR, 0xc100aef2);
        assert_eq!(KVM_SET_VMPORT_ATTR, 0xc100aef3);
    }

    #[test]
    fn the_exit_is_where_the_header_says() {
        let mut run: kvm_run = unsafe { zeroed() };
        let start = addr_of!(run) as usize;
        unsafe {
            assert_eq!(kvm_run_vmport(&run) as usize - start, 32);
            run.__bindgen_anon_1.padding[8] = 7; // the lowest byte of id
            assert_eq!((*kvm_run_vmport(&run)).id, 7);
        }
    }

    #[test]
    fn features_and_attributes_can_be_written() {
        assert_eq!(features(), 0xf);
        let mut info = attr(KVM_VMPORT_ATTR_INFO);
        info.u.info.features = features();
        assert_eq!((info.type_, info.error), (12, KVM_VMPORT_ERR_NONE));
    }
}
