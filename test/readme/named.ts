import 'reflect-metadata';
// #region named
import { Injectable, Module } from '@nestjs/common';
import { InjectServerPool, NpwsModule, type ServerPoolService } from 'nestjs-npws';

@Injectable()
export class Offices {
  constructor(
    @InjectServerPool('berlin') readonly berlin: ServerPoolService,
    @InjectServerPool('tokyo') readonly tokyo: ServerPoolService,
  ) {}
}

@Module({
  imports: [
    NpwsModule.forRoot({ name: 'berlin', server: { listen: { port: 0 }, clientIP: '192.0.2.10' } }),
    NpwsModule.forRoot({ name: 'tokyo', server: { listen: { port: 0 }, clientIP: ['198.51.100.0/24'] } }),
  ],
  providers: [Offices],
})
export class OfficesModule {}
// #endregion
