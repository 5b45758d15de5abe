"""What belongs to a Worker and to none of its versions: a file a resource."""
