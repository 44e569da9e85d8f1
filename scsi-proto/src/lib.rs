//! SCSI commands, status, sense and parameter data as T10 lays them out
