"""What tests stand on: real servers, a proxy to break connections with, worker processes, a recorder of histories."""
